"""hack/small_png.py: a picture of a page with 256 colours instead of millions, in the standard library alone. A page has few colours, and
the shades at the edges of its letters: nobody sees the difference, and it is a third of the bytes.

small(PNG) takes and returns a file's bytes: 8 bits a channel, without interlacing, as Chromium writes it.
"""
import collections
import struct
import zlib

HEAD = b"\x89PNG\r\n\x1a\n"


def chunks(png):
    at = len(HEAD)
    while at < len(png):
        size, kind = struct.unpack(">I4s", png[at:at + 8])
        yield kind, png[at + 8:at + 8 + size]
        at += 12 + size


def paeth(left, up, corner):
    guess = left + up - corner
    return min((abs(guess - left), 0, left), (abs(guess - up), 1, up), (abs(guess - corner), 2, corner))[2]


def unfilter(how, row, above, step):
    for i in range(len(row)):
        left = row[i - step] if i >= step else 0
        corner = above[i - step] if i >= step else 0
        row[i] = (row[i] + (left if how == 1 else above[i] if how == 2 else (left + above[i]) // 2 if how == 3 else paeth(left, above[i], corner))) & 255


def pixels(png):
    """Width, and a list of rows of (red, green, blue)."""
    body = b""
    for kind, content in chunks(png):
        if kind == b"IHDR":
            width, height, _, colour = struct.unpack(">IIBB", content[:10])
        if kind == b"IDAT":
            body += content
    step = {2: 3, 6: 4}[colour]
    raw, size = zlib.decompress(body), width * step
    above, rows = bytearray(size), []
    for y in range(height):
        begin = y * (size + 1)
        row = bytearray(raw[begin + 1:begin + 1 + size])
        if raw[begin]:
            unfilter(raw[begin], row, above, step)
        rows.append([tuple(row[i:i + 3]) for i in range(0, size, step)])
        above = row
    return width, rows


def small(png):
    width, rows = pixels(png)
    seen = collections.Counter(colour for row in rows for colour in row)
    # Of each hue its most frequent one comes first, so that a rare one is not drowned in another's shades.
    cells = {}
    for colour, _ in seen.most_common():
        cells.setdefault(tuple(value >> 5 for value in colour), colour)
    palette = list(dict.fromkeys([*cells.values(), *(colour for colour, _ in seen.most_common(256))]))[:256]
    index = {colour: at for at, colour in enumerate(palette)}
    for colour in seen.keys() - index.keys():
        index[colour] = min(range(len(palette)), key=lambda at: sum((a - b) ** 2 for a, b in zip(palette[at], colour)))
    body = b"".join(b"\0" + bytes(index[colour] for colour in row) for row in rows)

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return (HEAD + chunk(b"IHDR", struct.pack(">IIBBBBB", width, len(rows), 8, 3, 0, 0, 0)) + chunk(b"PLTE", b"".join(map(bytes, palette)))
            + chunk(b"IDAT", zlib.compress(body, 9)) + chunk(b"IEND", b""))
