/*
 * page.c - the live page's bytes, in the program itself.
 *
 * Knows where the assembler finds the file: the build runs at the repository's top. Refuses to know
 * what is in it.
 */
#include "page.h"

__asm__(".section .rodata\n"
        ".global web_page_begin\n"
        ".global web_page_end\n"
        "web_page_begin:\n"
        ".incbin \"src/web/page.html\"\n"
        "web_page_end:\n"
        ".byte 0\n"
        ".previous\n");

extern const char web_page_begin[], web_page_end[];

struct slice web_page(void)
{
    return (struct slice){ web_page_begin, (size_t)(web_page_end - web_page_begin) };
}
