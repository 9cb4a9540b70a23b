"""What ec2sim answers, asked by boto3: EC2's best-known client, which none of us wrote.

    ec2sim_boto3.py TEST     with ec2sim's address in EC2SIM, e.g. http://127.0.0.1:4566

Each test asks for what the controller and the agents ask. `shapes` compares the answers with those of moto, an EC2
endpoint that others wrote.
"""
import json
import os
import re
import sys
import threading
import time
import urllib.error
import urllib.request

import boto3
import botocore.exceptions
from botocore.config import Config

SIM = os.environ["EC2SIM"]
KEY, SECRET = "AKIACONTROLLEREXAMPLE", "controller+secret/for/tests/EXAMPLEKEY"
NO_RETRIES = {"retries": {"max_attempts": 0}}
FILTER_POD_SUBNET = [{"Name": "subnet-id", "Values": ["subnet-a2"]}]


def client(service="ec2", key=KEY, secret=SECRET, config=None, **more):
    return boto3.session.Session().client(
        service, region_name="us-west-2", endpoint_url=SIM, aws_access_key_id=key, aws_secret_access_key=secret,
        config=Config(**(config or NO_RETRIES)), **more)


def control(path, body=None):
    data = json.dumps(body).encode() if body is not None else None
    with urllib.request.urlopen(f"{SIM}/_sim/{path}", data=data, timeout=10) as answer:
        return json.loads(answer.read())


def free(subnet):
    return next(s["free"] for s in control("state")["subnets"] if s["id"] == subnet)


def same(actual, wanted, what=""):
    if actual != wanted:
        raise AssertionError(f"{what} is {actual!r}, wanted {wanted!r}")


def refused(code, status, call, **arguments):
    """The call must be refused with this code and HTTP status."""
    try:
        call(**arguments)
    except botocore.exceptions.ClientError as error:
        same(error.response["Error"]["Code"], code, "the error's code")
        same(error.response["ResponseMetadata"]["HTTPStatusCode"], status, f"the status of {code}")
        assert error.response["Error"]["Message"] and error.response["ResponseMetadata"]["RequestId"]
        return error.response
    raise AssertionError(f"nothing was refused, wanted {code}")


def create(ec2, **arguments):
    return ec2.create_network_interface(**{"SubnetId": "subnet-a2", **arguments})["NetworkInterface"]


def remove(ec2, *enis):
    for eni in enis:
        row = ec2.describe_network_interfaces(NetworkInterfaceIds=[eni])["NetworkInterfaces"][0]
        if row["Status"] == "in-use":
            ec2.detach_network_interface(AttachmentId=row["Attachment"]["AttachmentId"])
        ec2.delete_network_interface(NetworkInterfaceId=eni)


def test_describes():
    ec2 = client()
    subnets = {s["SubnetId"]: s for s in ec2.describe_subnets()["Subnets"]}
    same(set(subnets), {"subnet-a", "subnet-a2", "subnet-b", "subnet-public", "subnet-reserved"}, "the subnets")
    one = subnets["subnet-a2"]
    same((one["VpcId"], one["CidrBlock"], one["AvailabilityZone"], one["State"]),
         ("vpc-test", "10.0.1.0/24", "us-west-2a", "available"), "subnet-a2")
    same({t["Key"]: t["Value"] for t in one["Tags"]}, {"Name": "a2", "kubernetes.io/role/cni": "1"}, "its tags")
    same(one["AvailableIpAddressCount"], free("subnet-a2"), "its free addresses")
    tables = {t["RouteTableId"]: t for t in ec2.describe_route_tables(
        Filters=[{"Name": "vpc-id", "Values": ["vpc-test"]}])["RouteTables"]}
    assert tables["rtb-private"]["Associations"][0]["Main"]
    same(tables["rtb-public"]["Associations"][0]["SubnetId"], "subnet-public", "who uses the public table")
    assert any(r.get("GatewayId") == "igw-1" and r["DestinationCidrBlock"] == "0.0.0.0/0"
               for r in tables["rtb-public"]["Routes"])
    kind = ec2.describe_instance_types(InstanceTypes=["m5.large"])["InstanceTypes"][0]
    same((kind["NetworkInfo"]["MaximumNetworkInterfaces"], kind["NetworkInfo"]["Ipv4AddressesPerInterface"],
          kind["NetworkInfo"]["NetworkCards"][0]["MaximumNetworkInterfaces"], kind["Hypervisor"]),
         (3, 10, 3, "nitro"), "m5.large")
    refused("InvalidInstanceType", 400, ec2.describe_instance_types, InstanceTypes=["m99.huge"])
    groups = ec2.describe_security_groups(Filters=[{"Name": "tag:kubernetes.io/cluster/test", "Values": ["owned"]}])
    same([g["GroupId"] for g in groups["SecurityGroups"]], ["sg-nodes"], "the cluster's groups")
    same(ec2.describe_vpcs()["Vpcs"][0]["CidrBlockAssociationSet"][1]["CidrBlock"], "100.64.0.0/16", "second CIDR")
    same([z["ZoneName"] for z in ec2.describe_availability_zones()["AvailabilityZones"]],
         ["us-west-2a", "us-west-2b"], "the zones")
    kept = ec2.get_subnet_cidr_reservations(SubnetId="subnet-reserved")["SubnetIpv4CidrReservations"]
    same({r["Cidr"]: r["ReservationType"] for r in kept}, {"10.0.4.32/28": "prefix", "10.0.4.48/29": "explicit"},
         "the reservations")
    instance = ec2.describe_instances(InstanceIds=["i-b"])["Reservations"][0]["Instances"][0]
    same((instance["State"]["Name"], len(instance["NetworkInterfaces"][0]["PrivateIpAddresses"])), ("running", 3), "i-b")


def test_attach():
    ec2 = client()
    before = free("subnet-a2")
    tags = [{"Key": "headroom.dev/pool", "Value": 'a "pool" & <more>'}]
    made = create(ec2, SecondaryPrivateIpAddressCount=4, Groups=["sg-nodes", "sg-pods"], ClientToken="attach-1",
                  Description="aws-K8S-i-a", TagSpecifications=[{"ResourceType": "network-interface", "Tags": tags}])
    eni = made["NetworkInterfaceId"]
    same((made["Status"], made["TagSet"], [g["GroupId"] for g in made["Groups"]], len(made["PrivateIpAddresses"])),
         ("available", tags, ["sg-nodes", "sg-pods"], 5), "the new ENI")
    same(free("subnet-a2"), before - 5, "free addresses")
    attachment = ec2.attach_network_interface(NetworkInterfaceId=eni, InstanceId="i-a", DeviceIndex=2)["AttachmentId"]
    ec2.modify_network_interface_attribute(
        NetworkInterfaceId=eni, Attachment={"AttachmentId": attachment, "DeleteOnTermination": True})
    ec2.create_tags(Resources=[eni], Tags=[{"Key": "node.k8s.amazonaws.com/instance_id", "Value": "i-a"}])
    for arguments in ({"NetworkInterfaceIds": [eni]},
                      {"Filters": [{"Name": "attachment.instance-id", "Values": ["i-a", "i-none"]},
                                   {"Name": "tag:headroom.dev/pool", "Values": ["a*"]}]}):
        row, = ec2.describe_network_interfaces(**arguments)["NetworkInterfaces"]
        at = row["Attachment"]
        same((at["InstanceId"], at["DeviceIndex"], at["NetworkCardIndex"], at["Status"], at["DeleteOnTermination"]),
             ("i-a", 2, 0, "attached", True), "the attachment")
        same(row["TagSet"][1]["Value"], "i-a", "the tag")
    for code, arguments in (("InvalidNetworkInterface.InUse", {"NetworkInterfaceId": eni, "InstanceId": "i-b", "DeviceIndex": 1}),
                            ("InvalidInstanceID.NotFound", {"NetworkInterfaceId": eni, "InstanceId": "i-0", "DeviceIndex": 1}),
                            ("InvalidNetworkInterfaceID.NotFound", {"NetworkInterfaceId": "eni-0", "InstanceId": "i-a", "DeviceIndex": 1})):
        refused(code, 400, ec2.attach_network_interface, **arguments)
    refused("InvalidNetworkInterface.InUse", 400, ec2.delete_network_interface, NetworkInterfaceId=eni)
    other = create(ec2)["NetworkInterfaceId"]
    refused("InvalidParameterValue", 400, ec2.attach_network_interface, NetworkInterfaceId=other, InstanceId="i-a", DeviceIndex=2)
    refused("InvalidParameterCombination", 400, ec2.attach_network_interface, NetworkInterfaceId=other, InstanceId="i-b", DeviceIndex=1)
    remove(ec2, eni, other)
    same(free("subnet-a2"), before, "free addresses in the end")


def test_tokens():
    ec2 = client()
    first = create(ec2, ClientToken="tokens-1", SecondaryPrivateIpAddressCount=2)
    same(create(ec2, ClientToken="tokens-1", SecondaryPrivateIpAddressCount=2)["NetworkInterfaceId"],
         first["NetworkInterfaceId"], "the ENI of the same token")
    refused("IdempotentParameterMismatch", 400, ec2.create_network_interface, SubnetId="subnet-a2", ClientToken="tokens-1")
    remove(ec2, first["NetworkInterfaceId"])


def test_exhaustion():
    ec2 = client()
    control("drain", {"subnet": "a", "free": 2})
    refused("InsufficientFreeAddressesInSubnet", 400, ec2.create_network_interface, SubnetId="subnet-a",
            SecondaryPrivateIpAddressCount=2)
    refused("InsufficientCidrBlocks", 400, ec2.create_network_interface, SubnetId="subnet-a", Ipv4PrefixCount=1)
    eni = create(ec2, SubnetId="subnet-a", SecondaryPrivateIpAddressCount=1)["NetworkInterfaceId"]
    refused("InsufficientFreeAddressesInSubnet", 400, ec2.assign_private_ip_addresses, NetworkInterfaceId=eni,
            SecondaryPrivateIpAddressCount=1)
    remove(ec2, eni)
    control("drain", {"subnet": "a", "free": 26})
    used = control("state")["quotas"]["enis_used"]
    control("quota", {"enis": used})
    refused("NetworkInterfaceLimitExceeded", 400, ec2.create_network_interface, SubnetId="subnet-a2")
    control("quota", {"enis": 5000, "nau": 1})
    eni = create(ec2)["NetworkInterfaceId"]
    refused("NetworkAddressUsageLimitExceeded", 400, ec2.attach_network_interface, NetworkInterfaceId=eni,
            InstanceId="i-a", DeviceIndex=1)
    control("quota", {"nau": 64000})
    remove(ec2, eni)


def test_addresses():
    ec2 = client()
    eni = create(ec2)["NetworkInterfaceId"]
    given = ec2.assign_private_ip_addresses(NetworkInterfaceId=eni, SecondaryPrivateIpAddressCount=2)
    ips = [a["PrivateIpAddress"] for a in given["AssignedPrivateIpAddresses"]]
    same(len(ips), 2, "assigned addresses")
    refused("InvalidIPAddress.InUse", 400, ec2.assign_private_ip_addresses, NetworkInterfaceId=eni, PrivateIpAddresses=ips[:1])
    other = create(ec2)["NetworkInterfaceId"]
    ec2.assign_private_ip_addresses(NetworkInterfaceId=other, PrivateIpAddresses=ips[:1], AllowReassignment=True)
    ec2.unassign_private_ip_addresses(NetworkInterfaceId=eni, PrivateIpAddresses=ips[1:])
    refused("InvalidParameterValue", 400, ec2.unassign_private_ip_addresses, NetworkInterfaceId=eni, PrivateIpAddresses=ips[:1])
    given = ec2.assign_private_ip_addresses(NetworkInterfaceId=eni, Ipv4PrefixCount=2)
    blocks = [p["Ipv4Prefix"] for p in given["AssignedIpv4Prefixes"]]
    assert len(blocks) == 2 and all(b.endswith("/28") for b in blocks), blocks
    row, = ec2.describe_network_interfaces(NetworkInterfaceIds=[eni])["NetworkInterfaces"]
    same(sorted(p["Ipv4Prefix"] for p in row["Ipv4Prefixes"]), sorted(blocks), "its prefixes")
    ec2.unassign_private_ip_addresses(NetworkInterfaceId=eni, Ipv4Prefixes=blocks)
    whole = create(ec2, SubnetId="subnet-reserved", Ipv4PrefixCount=1)
    same(whole["Ipv4Prefixes"][0]["Ipv4Prefix"], "10.0.4.32/28", "the prefix, from the reservation")
    fixed = create(ec2, PrivateIpAddress="10.0.1.77", PrivateIpAddresses=[{"PrivateIpAddress": "10.0.1.78", "Primary": False}])
    same([a["PrivateIpAddress"] for a in fixed["PrivateIpAddresses"]], ["10.0.1.77", "10.0.1.78"], "addresses by name")
    remove(ec2, eni, other, whole["NetworkInterfaceId"], fixed["NetworkInterfaceId"])


def test_pages():
    ec2 = client()
    control("throttle", {"enabled": False})
    made = [create(ec2, SubnetId="subnet-b")["NetworkInterfaceId"] for _ in range(23)]
    pages = list(ec2.get_paginator("describe_network_interfaces").paginate(
        Filters=[{"Name": "subnet-id", "Values": ["subnet-b"]}], PaginationConfig={"PageSize": 10}))
    same([len(p["NetworkInterfaces"]) for p in pages], [10, 10, 4], "the pages' lengths")
    same(len({i["NetworkInterfaceId"] for p in pages for i in p["NetworkInterfaces"]}), 24, "different ENIs")
    refused("InvalidParameterValue", 400, ec2.describe_network_interfaces, MaxResults=1001)
    refused("InvalidNextToken", 400, ec2.describe_network_interfaces, MaxResults=5, NextToken="wrong")
    refused("InvalidParameterCombination", 400, ec2.describe_network_interfaces, MaxResults=5, NetworkInterfaceIds=made[:1])
    remove(ec2, *made)
    control("throttle", {"enabled": True})


def test_throttle():
    ec2 = client()
    control("throttle", {"enabled": True, "scale": 0.1})  # 10 at once, then one each 2 s
    made, refusals = [], 0
    for _ in range(13):
        try:
            made.append(create(ec2)["NetworkInterfaceId"])
        except botocore.exceptions.ClientError as error:
            same((error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]),
                 ("RequestLimitExceeded", 503), "the refusal")
            refusals += 1
    assert len(made) in (10, 11) and refusals >= 2, (len(made), refusals)
    patient = client(config={"retries": {"mode": "standard", "max_attempts": 8}})
    made.append(create(patient)["NetworkInterfaceId"])  # botocore knows it as a throttle, and waits
    same(control("stats")["actions"]["CreateNetworkInterface"]["let_through"], len(made), "let through in all")
    control("throttle", {"enabled": True, "scale": 1})
    remove(ec2, *made)


def test_signatures():
    refused("SignatureDoesNotMatch", 403, client(secret="wrong").describe_subnets)
    refused("AuthFailure", 401, client(key="AKIANOBODY").describe_subnets)
    refused("InvalidClientTokenId", 403, client("sts", key="AKIANOBODY").get_caller_identity)
    control("clock", {"offset_ms": 600000})
    refused("RequestExpired", 400, client().describe_subnets)
    control("clock", {"offset_ms": 0})
    refused("AuthFailure", 401, client(aws_session_token="none").describe_subnets)
    refused("DryRunOperation", 412, client().create_network_interface, SubnetId="subnet-a2", DryRun=True)
    caller = client("sts").get_caller_identity()
    same(caller["Account"], "111122223333", "the account")
    assert "controller" in caller["Arn"], caller


def whom_it_takes_us_for(session):
    ec2 = session.client("ec2", region_name="us-west-2", endpoint_url=SIM, config=Config(**NO_RETRIES))
    ec2.describe_subnets()
    return control("requests?count=20000")["requests"][-1]["who"]


def test_identities():
    for name in list(os.environ):
        if name.startswith("AWS_"):
            del os.environ[name]
    os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.environ["AWS_CONFIG_FILE"] = "/nonexistent"
    os.environ["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = f"{SIM}/imds/i-a"
    same(whom_it_takes_us_for(boto3.session.Session()), "node", "the role from the metadata service")
    role = client("sts").assume_role(RoleArn="arn:aws:iam::111122223333:role/path/headroom", RoleSessionName="test")["Credentials"]
    with_role = boto3.session.Session(role["AccessKeyId"], role["SecretAccessKey"], role["SessionToken"])
    same(whom_it_takes_us_for(with_role), "headroom", "the role that was assumed")
    token = os.path.join(os.environ["BATS_TEST_TMPDIR"], "token")
    with open(token, "w", encoding="ascii") as file:
        file.write("eyJhbGciOiJSUzI1NiJ9.secret.signature")
    os.environ.update(AWS_WEB_IDENTITY_TOKEN_FILE=token, AWS_ROLE_ARN="arn:aws:iam::111122223333:role/pod",
                      AWS_ROLE_SESSION_NAME="pod", AWS_ENDPOINT_URL_STS=SIM, AWS_REGION="us-west-2",
                      AWS_DEFAULT_REGION="us-west-2")
    same(whom_it_takes_us_for(boto3.session.Session()), "pod", "the role of the web identity")
    assert "secret.signature" not in json.dumps(control("requests")), "the token is in the log"
    control("expire-sessions", {})
    refused("RequestExpired", 400, with_role.client(
        "ec2", region_name="us-west-2", endpoint_url=SIM, config=Config(**NO_RETRIES)).describe_subnets)


def test_faults():
    ec2 = client()
    before = free("subnet-a2")
    control("fault", {"kind": "lost_reply", "action": "CreateNetworkInterface"})
    try:
        create(ec2, ClientToken="faults-1")
        raise AssertionError("the reply was not lost")
    except botocore.exceptions.ConnectionClosedError:
        pass
    same(free("subnet-a2"), before - 1, "free addresses: it was done")
    eni = create(ec2, ClientToken="faults-1")["NetworkInterfaceId"]
    same(free("subnet-a2"), before - 1, "free addresses: it was not done again")
    control("fault", {"kind": "lost_request", "action": "AttachNetworkInterface", "who": "controller"})
    try:
        ec2.attach_network_interface(NetworkInterfaceId=eni, InstanceId="i-a", DeviceIndex=1)
        raise AssertionError("the request was not lost")
    except botocore.exceptions.ConnectionClosedError:
        pass
    same(ec2.describe_network_interfaces(NetworkInterfaceIds=[eni])["NetworkInterfaces"][0]["Status"], "available", "its status")
    control("fault", {"kind": "cut_body", "bytes": 50, "action": "DescribeSubnets"})
    try:
        ec2.describe_subnets()
        raise AssertionError("the body was not cut")
    except (botocore.exceptions.HTTPClientError, botocore.parsers.ResponseParserError):
        pass
    control("fault", {"kind": "error", "code": "Unavailable", "status": 503, "message": "not now"})
    refused("Unavailable", 503, ec2.describe_subnets)
    control("fault", {"kind": "throttle", "action": "DescribeSubnets"})
    refused("RequestLimitExceeded", 503, ec2.describe_subnets)
    control("fault", {"kind": "latency", "ms": 700})
    begun = time.monotonic()
    ec2.describe_subnets()
    assert time.monotonic() - begun >= 0.7, "no latency"
    remove(ec2, eni)


def test_hold():
    ec2 = client(config={"read_timeout": 30, **NO_RETRIES})
    control("pause-after", {"action": "CreateNetworkInterface"})
    got = []
    thread = threading.Thread(target=lambda: got.append(create(ec2, ClientToken="hold-1")["NetworkInterfaceId"]))
    thread.start()
    until = time.monotonic() + 20
    while not control("holds")["holds"]:
        assert time.monotonic() < until, "no answer is held"
    hold = control("holds")["holds"][0]
    same((hold["action"], hold["who"]), ("CreateNetworkInterface", "controller"), "what is held")
    held_back = [e["id"] for e in control("state")["enis"] if e["state"] == "available"]
    same(got, [], "answers so far")
    control("release", {"hold": hold["hold"]})
    thread.join(20)
    same(got, held_back, "the ENI that was made before the answer")
    remove(ec2, *got)


def test_lag():
    ec2 = client()
    control("lag", {"ms": 1500})
    eni = create(ec2)["NetworkInterfaceId"]
    refused("InvalidNetworkInterfaceID.NotFound", 400, ec2.describe_network_interfaces, NetworkInterfaceIds=[eni])
    behind = ec2.describe_subnets(SubnetIds=["subnet-a2"])["Subnets"][0]["AvailableIpAddressCount"]
    same(behind, free("subnet-a2") + 1, "the free count that lags")
    until = time.monotonic() + 20
    while eni not in [i["NetworkInterfaceId"] for i in ec2.describe_network_interfaces(Filters=FILTER_POD_SUBNET)["NetworkInterfaces"]]:
        assert time.monotonic() < until, "it never appeared"
        time.sleep(0.1)
    control("lag", {"ms": 0})
    remove(ec2, eni)


def test_instances():
    ec2 = client()
    made = ec2.run_instances(ImageId="ami-1", InstanceType="m5.large", MinCount=2, MaxCount=2, SubnetId="subnet-a2",
                             TagSpecifications=[{"ResourceType": "instance", "Tags": [{"Key": "Name", "Value": "new"}]}])
    ids = [i["InstanceId"] for i in made["Instances"]]
    found = ec2.describe_instances(Filters=[{"Name": "tag:Name", "Values": ["new"]}])["Reservations"]
    same([r["Instances"][0]["InstanceId"] for r in found], ids, "instances by tag")
    eni = create(ec2)["NetworkInterfaceId"]
    ec2.attach_network_interface(NetworkInterfaceId=eni, InstanceId=ids[0], DeviceIndex=1)
    gone = ec2.terminate_instances(InstanceIds=ids)["TerminatingInstances"]
    same([g["PreviousState"]["Name"] for g in gone], ["running", "running"], "states before")
    # Nobody said DeleteOnTermination: the ENI stays.
    same(ec2.describe_network_interfaces(NetworkInterfaceIds=[eni])["NetworkInterfaces"][0]["Status"], "available", "its status")
    refused("IncorrectState", 400, ec2.attach_network_interface, NetworkInterfaceId=eni, InstanceId=ids[1], DeviceIndex=1)
    remove(ec2, eni)


def test_metadata():
    base = f"{SIM}/imds/i-b/latest"

    def get(path, token):
        request = urllib.request.Request(f"{base}/{path}", headers={"X-aws-ec2-metadata-token": token})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.read().decode()

    put = urllib.request.Request(f"{base}/api/token", method="PUT", headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"})
    with urllib.request.urlopen(put, timeout=10) as answer:
        token = answer.read().decode()
        same(answer.headers["X-aws-ec2-metadata-token-ttl-seconds"], "60", "the token's time to live")
    mac = get("meta-data/mac", token)
    same(get("meta-data/network/interfaces/macs/", token), mac + "/", "the interfaces")
    of_mac = f"meta-data/network/interfaces/macs/{mac}"
    state = control("state")
    eni = next(e for e in state["enis"] if e.get("instance") == "i-b")
    same(get(f"{of_mac}/interface-id", token), eni["id"], "the ENI")
    same(get(f"{of_mac}/local-ipv4s", token).split("\n"), [eni["primary_ip"]] + eni["ips"], "its addresses")
    same(get(f"{of_mac}/vpc-ipv4-cidr-blocks", token), "10.0.0.0/16\n100.64.0.0/16", "the VPC's CIDRs")
    same(json.loads(get("dynamic/instance-identity/document", token))["instanceId"], "i-b", "the document's instance")
    for path, key, status in ((f"{of_mac}/ipv4-prefix", token, 404), ("meta-data/mac", "wrong", 401)):
        try:
            get(path, key)
            raise AssertionError(f"{path} was answered")
        except urllib.error.HTTPError as error:
            same(error.code, status, path)


def paths(value, at=""):
    """{path: type} of all that is in an answer; list elements as []."""
    if isinstance(value, dict):
        found = {}
        for key, inner in value.items():
            if key != "ResponseMetadata":
                found.update(paths(inner, f"{at}.{key}"))
        return found
    if isinstance(value, list):
        found = {}
        for inner in value:
            found.update(paths(inner, f"{at}[]"))
        return found
    return {at: type(value).__name__}


def conversation(ec2, subnet, instance, group):
    """Everything that moto can do as well; {action: answer}."""
    said = {}
    eni = said["create"] = ec2.create_network_interface(
        SubnetId=subnet, Groups=[group], Description="d", SecondaryPrivateIpAddressCount=2,
        TagSpecifications=[{"ResourceType": "network-interface", "Tags": [{"Key": "k", "Value": "v"}]}])
    eni = eni["NetworkInterface"]["NetworkInterfaceId"]
    said["attach"] = ec2.attach_network_interface(NetworkInterfaceId=eni, InstanceId=instance, DeviceIndex=1)
    said["enis"] = ec2.describe_network_interfaces(NetworkInterfaceIds=[eni])
    said["assign"] = ec2.assign_private_ip_addresses(NetworkInterfaceId=eni, SecondaryPrivateIpAddressCount=1)
    said["subnets"] = ec2.describe_subnets(SubnetIds=[subnet])
    said["instances"] = ec2.describe_instances(InstanceIds=[instance])
    said["types"] = ec2.describe_instance_types(InstanceTypes=["m5.large"])
    said["tables"] = ec2.describe_route_tables()
    said["groups"] = ec2.describe_security_groups(GroupIds=[group])
    said["vpcs"] = ec2.describe_vpcs()
    ec2.detach_network_interface(AttachmentId=said["attach"]["AttachmentId"], Force=True)
    ec2.delete_network_interface(NetworkInterfaceId=eni)
    return said


# What clients of these actions read; it must be in our answers and, as a check on the list itself, in moto's.
READ = {
    "create": ["NetworkInterface.NetworkInterfaceId", "NetworkInterface.PrivateIpAddresses[].PrivateIpAddress",
               "NetworkInterface.TagSet[].Key", "NetworkInterface.Groups[].GroupId", "NetworkInterface.MacAddress"],
    "attach": ["AttachmentId"],
    "enis": ["NetworkInterfaces[]." + p for p in (
        "NetworkInterfaceId", "SubnetId", "VpcId", "AvailabilityZone", "Status", "InterfaceType", "Attachment.AttachmentId",
        "Attachment.InstanceId", "Attachment.DeviceIndex", "Attachment.Status", "Attachment.DeleteOnTermination",
        "PrivateIpAddresses[].PrivateIpAddress", "PrivateIpAddresses[].Primary", "Groups[].GroupId", "TagSet[].Value")],
    "assign": [],
    "subnets": ["Subnets[]." + p for p in (
        "SubnetId", "VpcId", "CidrBlock", "AvailableIpAddressCount", "AvailabilityZone", "AvailabilityZoneId", "State")],
    "instances": ["Reservations[].Instances[]." + p for p in (
        "InstanceId", "InstanceType", "State.Name", "SubnetId", "VpcId", "PrivateIpAddress",
        "Placement.AvailabilityZone", "NetworkInterfaces[].NetworkInterfaceId",
        "NetworkInterfaces[].Attachment.DeviceIndex")],
    "types": ["InstanceTypes[]." + p for p in (
        "InstanceType", "Hypervisor", "NetworkInfo.MaximumNetworkInterfaces", "NetworkInfo.Ipv4AddressesPerInterface",
        "NetworkInfo.NetworkCards[].MaximumNetworkInterfaces")],
    "tables": ["RouteTables[]." + p for p in (
        "RouteTableId", "VpcId", "Associations[].Main", "Routes[].DestinationCidrBlock", "Routes[].GatewayId")],
    "groups": ["SecurityGroups[].GroupId", "SecurityGroups[].VpcId", "SecurityGroups[].GroupName"],
    "vpcs": ["Vpcs[].VpcId", "Vpcs[].CidrBlock", "Vpcs[].CidrBlockAssociationSet[].CidrBlock"],
}


def moto_conversation():
    from moto import mock_aws

    with mock_aws():
        ec2 = boto3.client("ec2", region_name="us-west-2", aws_access_key_id="x", aws_secret_access_key="x")
        vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
        subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24", AvailabilityZone="us-west-2a")["Subnet"]["SubnetId"]
        group = ec2.create_security_group(GroupName="g", Description="g", VpcId=vpc)["GroupId"]
        image = ec2.describe_images()["Images"][0]["ImageId"]
        instance = ec2.run_instances(ImageId=image, InstanceType="m5.large", MinCount=1, MaxCount=1, SubnetId=subnet)
        return conversation(ec2, subnet, instance["Instances"][0]["InstanceId"], group)


def test_shapes():
    ours = conversation(client(), "subnet-a2", "i-a", "sg-nodes")
    theirs = moto_conversation()
    for action, read in READ.items():
        mine, other = paths(ours[action]), paths(theirs[action])
        for path in read:
            assert "." + path in mine, f"{action}: we say nothing of {path}"
            assert "." + path in other, f"{action}: moto says nothing of {path}"
        for path in mine.keys() & other.keys():
            same(mine[path], other[path], f"{action}: the type of {path}")
    form = re.compile(r"^eni-attach-0?[0-9a-f]+$")
    assert form.match(ours["attach"]["AttachmentId"]), ours["attach"]


def statements_needed(policy, calls):
    """Sids whose statement some call cannot do without."""
    needed = []
    for i, statement in enumerate(policy["Statement"]):
        rest = policy["Statement"][:i] + policy["Statement"][i + 1:]
        control("policy", {"who": "controller", "document": {**policy, "Statement": rest}})
        try:
            calls()
        except botocore.exceptions.ClientError as error:
            same(error.response["Error"]["Code"], "UnauthorizedOperation", f"without {statement['Sid']}")
            needed.append(statement["Sid"])
    return needed


def test_policy():
    """The policy that users apply: enough for what the controller does, and no statement too much."""
    with open(os.path.join(os.environ["ROOT"], "manifests/iam/policy.json"), encoding="utf-8") as file:
        policy = json.loads(file.read().replace("CLUSTER_NAME", "test"))
    ec2, person = client(), client(key="AKIAPERSONEXAMPLE", secret="person+secret/for/tests/EXAMPLEKEY")
    made = []

    def calls():
        made.clear()
        ec2.describe_subnets()
        ec2.get_subnet_cidr_reservations(SubnetId="subnet-a2")
        made.append(create(ec2, Groups=["sg-nodes"], TagSpecifications=[{
            "ResourceType": "network-interface", "Tags": [{"Key": "headroom.dev/cluster", "Value": "test"}]}])["NetworkInterfaceId"])
        ec2.assign_private_ip_addresses(NetworkInterfaceId=made[0], SecondaryPrivateIpAddressCount=1)
        at = ec2.attach_network_interface(NetworkInterfaceId=made[0], InstanceId="i-a", DeviceIndex=1)["AttachmentId"]
        ec2.modify_network_interface_attribute(
            NetworkInterfaceId=made[0], Attachment={"AttachmentId": at, "DeleteOnTermination": True})

    def calls_and_remove():
        try:
            calls()
        finally:
            remove(person, *made)

    control("policy", {"who": "controller", "document": policy})
    calls_and_remove()
    foreign = create(person)["NetworkInterfaceId"]
    refused("UnauthorizedOperation", 403, ec2.delete_network_interface, NetworkInterfaceId=foreign)
    refused("UnauthorizedOperation", 403, ec2.attach_network_interface, NetworkInterfaceId=foreign, InstanceId="i-a", DeviceIndex=1)
    refused("UnauthorizedOperation", 403, ec2.create_network_interface, SubnetId="subnet-a2")
    refused("UnauthorizedOperation", 403, ec2.terminate_instances, InstanceIds=["i-a"])
    same(statements_needed(policy, calls_and_remove), [s["Sid"] for s in policy["Statement"]], "the statements that are needed")
    control("policy", {"who": "controller"})
    remove(person, foreign)


def test_load():
    """EC2SIM plays 1,000 instances: 4,000 more ENIs, and everyone's describes in the end."""
    ec2 = client(config={"max_pool_connections": 4, **NO_RETRIES})
    instances = [i["id"] for i in control("state")["instances"]]
    same(len(instances), 1000, "instances")
    begun = time.monotonic()
    for i in range(40):
        create(ec2, SubnetId="subnet-large", SecondaryPrivateIpAddressCount=9, ClientToken=f"load-{i}")
    spent = (time.monotonic() - begun) / 40
    assert spent < 0.1, f"{spent * 1000:.1f} ms for a create"
    begun = time.monotonic()
    count = sum(len(p["NetworkInterfaces"]) for p in ec2.get_paginator("describe_network_interfaces").paginate(
        PaginationConfig={"PageSize": 1000}))
    whole = time.monotonic() - begun
    same(count, 1040, "ENIs")
    begun = time.monotonic()
    answer = ec2.describe_network_interfaces(Filters=[{"Name": "attachment.instance-id", "Values": instances[:200]}])
    same(len(answer["NetworkInterfaces"]), 200, "ENIs of 200 instances")
    some = time.monotonic() - begun
    print(f"# create {spent * 1000:.1f} ms, all ENIs {whole:.2f} s, ENIs of 200 instances {some:.2f} s; boto3's own work included")


if __name__ == "__main__":
    globals()["test_" + sys.argv[1]]()
