#!/usr/bin/env python3
"""Holds recorded EC2 and STS requests to botocore: signature, parameter names, types, and the very bytes of the form.

    TEST_EC2_REQUESTS=requests.jsonl build/tests/unit ec2 ...; botocore_check.py requests.jsonl

A request passes if botocore signs it the same way, finds nothing wrong with its parameters, and would send the same form.
"""
import json
import re
import sys
from urllib.parse import parse_qsl, urlsplit

import botocore.auth
import botocore.awsrequest
import botocore.credentials
import botocore.serialize
import botocore.session
import botocore.validate

# The secrets that the tests use, by the access key.
SECRETS = {"AKIDRIG": "rig-secret"}
DEFAULT_SECRET = "s3cr3t"


def check_signature(request):
    headers = {name.lower(): value for name, value in request["headers"].items()}
    authorization = headers.get("authorization")
    if not authorization:
        return "unsigned"
    match = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, "
        r"SignedHeaders=([^,]+), Signature=([0-9a-f]{64})",
        authorization,
    )
    assert match, f"not an Authorization header: {authorization}"
    key, _, region, service, names, signature = match.groups()
    credentials = botocore.credentials.Credentials(
        key, SECRETS.get(key, DEFAULT_SECRET), headers.get("x-amz-security-token")
    )
    theirs = botocore.awsrequest.AWSRequest(
        method=request["method"], url=request["url"], data=request["body"].encode()
    )
    for name in names.split(";"):
        theirs.headers[name] = headers[name]
    theirs.context["timestamp"] = headers["x-amz-date"]
    auth = botocore.auth.SigV4Auth(credentials, service, region)
    string = auth.string_to_sign(theirs, auth.canonical_request(theirs))
    expected = auth.signature(string, theirs)
    assert signature == expected, f"signature {signature}, botocore has {expected}"
    return "signed"


def wire_name(member_name, shape, is_ec2):
    if is_ec2:
        query = shape.serialization.get("queryName")
        name = query or shape.serialization.get("name", member_name)
        return query or name[0].upper() + name[1:]
    return shape.serialization.get("name", member_name)


def scalar(shape, text):
    if shape.type_name in ("integer", "long"):
        return int(text)
    if shape.type_name == "boolean":
        assert text in ("true", "false"), f"{text} is no boolean"
        return text == "true"
    return text


def unflatten(shape, form, prefix, used, is_ec2):
    """The value of a shape from the form's parameters that begin with prefix."""
    if shape.type_name == "structure":
        value = {}
        for name, member in shape.members.items():
            key = wire_name(name, member, is_ec2)
            full = f"{prefix}.{key}" if prefix else key
            if any(k == full or k.startswith(full + ".") for k in form):
                value[name] = unflatten(member, form, full, used, is_ec2)
        return value
    if shape.type_name == "list":
        value = []
        while any(k == f"{prefix}.{len(value) + 1}" or k.startswith(f"{prefix}.{len(value) + 1}.")
                  for k in form):
            value.append(
                unflatten(shape.member, form, f"{prefix}.{len(value) + 1}", used, is_ec2))
        return value
    used.add(prefix)
    return scalar(shape, form[prefix])


def check_parameters(request, models):
    pairs = parse_qsl(request["body"], keep_blank_values=True, strict_parsing=True)
    form = dict(pairs)
    assert len(form) == len(pairs), "a parameter stands there twice"
    action, version = form.pop("Action"), form.pop("Version")
    model = models["sts" if version == "2011-06-15" else "ec2"]
    assert version == model.api_version, f"version {version}"
    operation = model.operation_model(action)
    used = set()
    is_ec2 = model.service_name == "ec2"
    params = unflatten(operation.input_shape, form, "", used, is_ec2)
    unknown = set(form) - used
    assert not unknown, f"{action} has no parameter {sorted(unknown)}"
    report = botocore.validate.ParamValidator().validate(params, operation.input_shape)
    assert not report.has_errors(), f"{action}: {report.generate_report()}"
    protocol = model.metadata["protocol"]
    theirs = botocore.serialize.create_serializer(protocol, False).serialize_to_request(
        params, operation)
    expected = {k: str(v) for k, v in theirs["body"].items()}
    expected.pop("Action"), expected.pop("Version")
    assert expected == form, f"{action}: botocore sends {expected}, we {form}"
    assert urlsplit(request["url"]).query == ""
    return action


def main():
    session = botocore.session.get_session()
    models = {name: session.get_service_model(name) for name in ("ec2", "sts")}
    actions, failures = {}, 0
    with open(sys.argv[1], encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            request = json.loads(line)
            try:
                how = check_signature(request)
                action = check_parameters(request, models)
                assert how == "signed" or action == "AssumeRoleWithWebIdentity", "unsigned"
                actions[action] = actions.get(action, 0) + 1
            except (AssertionError, KeyError, ValueError) as problem:
                failures += 1
                print(f"request {number}: {problem}", file=sys.stderr)
    for action in sorted(actions):
        print(f"{actions[action]:6} {action}")
    print(f"{sum(actions.values())} passed, {failures} failed")
    return 1 if failures or not actions else 0


if __name__ == "__main__":
    sys.exit(main())
