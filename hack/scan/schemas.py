"""hack/scan/schemas.py FOLDER FILE...: for each kind of object in the YAML files, the JSON schema by which the real API server of $KUBECONFIG
judges it, as FOLDER/GROUP_VERSION_KIND.json (kubeconform's -schema-location), with unknown fields forbidden."""
import json
import os
import subprocess
import sys

import yaml

folder, files = sys.argv[1], sys.argv[2:]
OTHERS = {"monitoring.coreos.com"}  # not the API server's


def close(schema):
    """No field but those that are named."""
    if isinstance(schema, dict):
        # "is True": a schema of schemas has fields of these names.
        free = schema.get("x-kubernetes-preserve-unknown-fields") is True or schema.get("x-kubernetes-embedded-resource") is True
        if "properties" in schema and "additionalProperties" not in schema and not free:
            schema["additionalProperties"] = False
        if schema.get("x-kubernetes-int-or-string") is True:
            schema["anyOf"] = [{"type": "integer"}, {"type": "string"}]
        for value in schema.values():
            close(value)
    elif isinstance(schema, list):
        for value in schema:
            close(value)


kinds = set()
for path in files:
    with open(path, encoding="utf-8") as file:
        kinds |= {(o["apiVersion"], o["kind"]) for o in yaml.safe_load_all(file) if o}
documents = {}
for api, kind in sorted(kinds):
    group, _, version = api.rpartition("/")
    if group in OTHERS:
        continue
    where = f"/openapi/v3/apis/{api}" if group else f"/openapi/v3/api/{api}"
    if where not in documents:
        documents[where] = json.loads(subprocess.run(["kubectl", "get", "--raw", where], check=True, capture_output=True).stdout)
    schemas = documents[where]["components"]["schemas"]
    name = next(name for name, schema in schemas.items()
                if {"group": group, "version": version, "kind": kind} in schema.get("x-kubernetes-group-version-kind", []))
    schema = {"$ref": f"#/components/schemas/{name}", "components": {"schemas": json.loads(json.dumps(schemas))}}
    for one in schema["components"]["schemas"].values():
        close(one)
    with open(os.path.join(folder, f"{group or version}_{version}_{kind.lower()}.json"), "w", encoding="utf-8") as file:
        json.dump(schema, file)
