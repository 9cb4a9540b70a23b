#!/usr/bin/env python3
"""A small account at moto: one zone, a node's subnet that is almost full, and a healthy sibling that the agent does not find by itself.

    moto_world.py ENDPOINT make          prints the ids as JSON
    moto_world.py ENDPOINT drain SUBNET  others take all its addresses
    moto_world.py ENDPOINT show          prints the ENIs that carry Headroom's tag, as boto3 sees them
"""
import json
import sys

import boto3

ENDPOINT, COMMAND = sys.argv[1], sys.argv[2]
ec2 = boto3.client("ec2", region_name="us-west-2", endpoint_url=ENDPOINT, aws_access_key_id="AKIAMOTO", aws_secret_access_key="moto")


def tags(kind, **pairs):
    return [{"ResourceType": kind, "Tags": [{"Key": k, "Value": v} for k, v in pairs.items()]}]


def make():
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnets = [ec2.create_subnet(VpcId=vpc, CidrBlock=cidr, AvailabilityZone="us-west-2a",
                                 TagSpecifications=tags("subnet", **{"headroom.dev/pool": "pods"}))["Subnet"]["SubnetId"]
               for cidr in ("10.0.0.0/28", "10.0.1.0/24")]
    groups = [ec2.create_security_group(VpcId=vpc, GroupName=name, Description=name)["GroupId"] for name in ("nodes", "more")]
    image = ec2.describe_images()["Images"][0]["ImageId"]
    instance = ec2.run_instances(ImageId=image, InstanceType="t3.medium", MinCount=1, MaxCount=1, SubnetId=subnets[0],
                                 SecurityGroupIds=groups)["Instances"][0]["InstanceId"]
    print(json.dumps({"vpc": vpc, "nodes": subnets[0], "pods": subnets[1], "instance": instance, "groups": sorted(groups)}))


def drain(subnet):
    while ec2.describe_subnets(SubnetIds=[subnet])["Subnets"][0]["AvailableIpAddressCount"] > 0:
        ec2.create_network_interface(SubnetId=subnet)


def show():
    enis = ec2.describe_network_interfaces(Filters=[{"Name": "tag-key", "Values": ["headroom.dev/intent"]}])["NetworkInterfaces"]
    print(json.dumps([{
        "id": e["NetworkInterfaceId"], "subnet": e["SubnetId"], "status": e["Status"],
        "instance": e.get("Attachment", {}).get("InstanceId"), "device_index": e.get("Attachment", {}).get("DeviceIndex"),
        "delete_on_termination": e.get("Attachment", {}).get("DeleteOnTermination"),
        "groups": sorted(g["GroupId"] for g in e["Groups"]), "ips": len(e["PrivateIpAddresses"]),
        "description": e["Description"], "tags": {t["Key"]: t["Value"] for t in e["TagSet"]}} for e in enis]))


{"make": make, "drain": drain, "show": show}[COMMAND](*sys.argv[3:])
