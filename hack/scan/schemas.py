"""hack/scan/schemas.py FOLDER CRDS FILE...: for each kind of object in the YAML files, the JSON schema by which an API server judges it, as
FOLDER/GROUP_VERSION_KIND.json (kubeconform's -schema-location), with unknown fields forbidden. Kinds of the CRDs in folder CRDS have theirs
from there, all others from the real API server of $KUBECONFIG."""
import json
import os
import subprocess
import sys

import yaml

folder, crds, files = sys.argv[1], sys.argv[2], sys.argv[3:]


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


def custom(group, version, kind):
    """None: the folder has no CRD for it."""
    path = f"{crds}/{group}_{kind.lower()}s.yaml"
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        versions = yaml.safe_load(file)["spec"]["versions"]
    return next(one["schema"]["openAPIV3Schema"] for one in versions if one["name"] == version)


def write(group, version, kind, schema):
    with open(os.path.join(folder, f"{group or version}_{version}_{kind.lower()}.json"), "w", encoding="utf-8") as file:
        json.dump(schema, file)


documents = {}
for api, kind in sorted(kinds):
    group, _, version = api.rpartition("/")
    schema = custom(group, version, kind)
    if schema:
        close(schema)
        write(group, version, kind, schema)
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
    write(group, version, kind, schema)
