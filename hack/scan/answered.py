"""hack/scan/answered.py CHECKOV.json DOCUMENT: each finding of checkov has its answer, a table's row that begins with the check's name; and
each answer has its finding. Exit status 1 if not."""
import json
import re
import sys

with open(sys.argv[1], encoding="utf-8") as file:
    report = json.load(file)
with open(sys.argv[2], encoding="utf-8") as file:
    answers = set(re.findall(r"^\| `(CKV\w+)` \|", file.read(), re.M))

results = report if isinstance(report, list) else [report]
findings = {}
for result in results:
    for check in result["results"]["failed_checks"]:
        findings.setdefault(check["check_id"], (check["check_name"], set()))[1].add(check["resource"])
passed = sum(result["summary"]["passed"] for result in results)
errors = sum(result["summary"]["parsing_errors"] for result in results)
for name in sorted(findings):
    title, resources = findings[name]
    print(f"{'answered' if name in answers else 'NO ANSWER'}: {name} {title}: {', '.join(sorted(resources))}")
for name in sorted(answers - set(findings)):
    print(f"NO FINDING: {name} is answered in {sys.argv[2]}, and checkov does not find it")
print(f"checkov: {passed} passed, {len(findings)} checks with findings, {errors} files not understood")
sys.exit(1 if answers != set(findings) or errors or passed < 100 else 0)
