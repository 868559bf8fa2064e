"""Checks of the services beside the trail: AWS Config, GuardDuty, Security Hub, flow logs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ctanalytics.posture.catalogue import global_region
from ctanalytics.posture.view import Subject, Verdict, View, failed, listed, passed


def recorder_on(view: View, region: Subject) -> Verdict:
    """AWS Config records all resources of the region, and delivers."""
    recorders = _recorders(view, region)
    if not recorders:
        return failed("there is no configuration recorder")
    statuses = (
        view.answer("config", "DescribeConfigurationRecorderStatus", region.aws_region).get(
            "ConfigurationRecordersStatus"
        )
        or ()
    )
    if not any(one.get("recording") for one in statuses):
        return failed("the configuration recorder is stopped")
    for one in statuses:
        if str(one.get("lastStatus", "")).upper() in ("FAILURE", "FAILED"):
            why = one.get("lastErrorMessage") or one.get("lastErrorCode") or "no reason given"
            return failed(f"the configuration recorder fails: {why}")
    group = recorders[0].get("recordingGroup") or {}
    if not group.get("allSupported"):
        return failed("the configuration recorder leaves out resource types", recording=group)
    if not _includes_global(view, region, group):
        return failed("the region of the global services records no global resources")
    channels = view.answer("config", "DescribeDeliveryChannels", region.aws_region)
    if not channels.get("DeliveryChannels"):
        return failed("AWS Config has no delivery channel")
    return passed("AWS Config records all resources, and delivers")


def _includes_global(view: View, region: Subject, group: Mapping[str, Any]) -> bool:
    here = global_region(view.snapshot.partition)
    return region.aws_region != here or bool(group.get("includeGlobalResourceTypes"))


def _recorders(view: View, region: Subject) -> list[Mapping[str, Any]]:
    answer = view.answer("config", "DescribeConfigurationRecorders", region.aws_region)
    return list(answer.get("ConfigurationRecorders") or ())


def recorder_role(view: View, region: Subject) -> Verdict:
    """AWS Config reads with its own service-linked role, which nobody can narrow or widen."""
    recorders = _recorders(view, region)
    if not recorders:
        return failed("there is no configuration recorder")
    role = str(recorders[0].get("roleARN", ""))
    if role.rpartition("/")[2] == "AWSServiceRoleForConfig":
        return passed("AWS Config uses its service-linked role", role=role)
    return failed(f"AWS Config uses {role or 'no role'}", role=role)


def guardduty(view: View, region: Subject) -> Verdict:
    """GuardDuty watches the region."""
    ids = view.answer("guardduty", "ListDetectors", region.aws_region).get("DetectorIds") or ()
    for one in ids:
        found = view.answer("guardduty", "GetDetector", region.aws_region, DetectorId=str(one))
        if found.get("Status") == "ENABLED":
            return passed("GuardDuty is on", detector=one)
    return failed("GuardDuty is suspended" if ids else "GuardDuty is off")


def security_hub(view: View, region: Subject) -> Verdict:
    """Security Hub watches the region."""
    found = view.answer("securityhub", "DescribeHub", region.aws_region)
    if found.get("HubArn"):
        return passed("Security Hub is on", since=found.get("SubscribedAt"))
    return failed("Security Hub is off")


def flow_logs(view: View, region: Subject) -> Verdict:
    """Every VPC of the region has a flow log."""
    vpcs = [
        str(one.get("VpcId"))
        for one in view.answer("ec2", "DescribeVpcs", region.aws_region).get("Vpcs") or ()
    ]
    if not vpcs:
        return passed("there is no VPC")
    logged = {
        str(one.get("ResourceId"))
        for one in view.answer("ec2", "DescribeFlowLogs", region.aws_region).get("FlowLogs") or ()
        if one.get("FlowLogStatus", "ACTIVE") == "ACTIVE"
    }
    dark = [vpc for vpc in vpcs if vpc not in logged]
    if dark:
        return failed(
            f"{len(dark)} of {len(vpcs)} VPCs have no flow log: {listed(dark)}", vpcs=dark
        )
    return passed(f"all {len(vpcs)} VPCs have flow logs")


def delegated_admin(view: View, _: Subject) -> Verdict:
    """The organization's trail is administered from an account that is named, not from its head."""
    found = view.home("organizations", "DescribeOrganization").get("Organization")
    if not found:
        return passed("does not apply: the account is in no organization", applies=False)
    answer = view.home(
        "organizations",
        "ListDelegatedAdministrators",
        ServicePrincipal="cloudtrail.amazonaws.com",
    )
    admins = [str(one.get("Id")) for one in answer.get("DelegatedAdministrators") or ()]
    if not admins:
        return failed("no account is delegated: trails are run from the management account")
    unknown = [one for one in admins if one not in view.expected.delegated_admins]
    if view.expected.delegated_admins and unknown:
        return failed(f"nobody named these as administrators: {listed(unknown)}", accounts=unknown)
    return passed(f"administered by {listed(admins)}", accounts=admins)


def trusted_access(view: View, _: Subject) -> Verdict:
    """CloudTrail may act in the whole organization; without that its trail is one account's."""
    if not view.home("organizations", "DescribeOrganization").get("Organization"):
        return passed("does not apply: the account is in no organization", applies=False)
    answer = view.home("organizations", "ListAWSServiceAccessForOrganization")
    services = [
        str(one.get("ServicePrincipal")) for one in answer.get("EnabledServicePrincipals") or ()
    ]
    if "cloudtrail.amazonaws.com" in services:
        return passed("trusted access is on for CloudTrail")
    return failed("trusted access is off for CloudTrail: the trail covers one account only")
