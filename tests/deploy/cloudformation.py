"""Teaches the local server's CloudFormation the types that our templates have.

moto knows few of them, and of most only some properties. Here each type is made as CloudFormation
makes it: by calls of its service's public API, over HTTP, with every property the template has, so
that a property the API does not take is an error. `install()` replaces moto's own makers.

moto's CloudFormation is imported where it is used: it takes three seconds, in every process that
only collects these tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import boto3
from botocore.exceptions import ClientError, ParamValidationError
from moto.core.common_models import CloudFormationModel

ACCOUNT = "123456789012"  # moto's own; others are reached by a role
_url = ""


@dataclass
class Place:
    """Where a resource is made, or changed."""

    account: str
    region: str
    again: bool = False
    """It is there already: an update."""

    def client(self, service: str) -> Any:
        return client(service, self.region, self.account)


@dataclass
class Made:
    """What a maker returns: what !Ref gives, and !GetAtt."""

    reference: str
    attributes: dict[str, Any] = field(default_factory=dict)


Maker = Callable[[Place, dict[str, Any], str], Made]
"""Gets the place, the properties and a name made up for what has none."""


def install(url: str, makers: Mapping[str, Maker]) -> None:
    """Make CloudFormation of the server at an address use makers, by the types that they make."""
    from moto.cloudformation import parsing

    global _url
    if _url != url:
        _url = url
        forget()
    for name, maker in makers.items():
        if parsing.get_model_map().get(name) is not _MODELS.get(name) or name not in _MODELS:
            _MODELS[name] = _model(name, maker)
            parsing.get_model_map()[name] = _MODELS[name]


def forget() -> None:
    """Forget clients and the keys of other accounts, which a reset server does not know any more."""
    for kept in (client, _session, _keys):
        kept.cache_clear()


@cache
def client(service: str, region: str, account: str = ACCOUNT) -> Any:
    """Return a client of an account; others than the server's own by a role in them."""
    return _session().client(service, region_name=region, endpoint_url=_url, **_keys(account))


@cache
def _session() -> boto3.Session:
    return boto3.Session()  # one for all: it keeps the models of services, which are slow to load


@cache
def _keys(account: str) -> dict[str, str]:
    if account == ACCOUNT:
        return {}
    role = f"arn:aws:iam::{account}:role/deployer"
    found = (
        _session()
        .client("sts", region_name="eu-west-1", endpoint_url=_url)
        .assume_role(RoleArn=role, RoleSessionName="deployer")["Credentials"]
    )
    return {
        "aws_access_key_id": found["AccessKeyId"],
        "aws_secret_access_key": found["SecretAccessKey"],
        "aws_session_token": found["SessionToken"],
    }


_MODELS: dict[str, type[CloudFormationModel]] = {}


def _model(kind: str, maker: Maker) -> type[CloudFormationModel]:
    class Model(CloudFormationModel):
        def __init__(self, made: Made) -> None:
            self.made = made

        @property
        def physical_resource_id(self) -> str:
            return self.made.reference

        @staticmethod
        def cloudformation_name_type() -> str:
            return ""

        @staticmethod
        def cloudformation_type() -> str:
            return kind

        @classmethod
        def has_cfn_attr(cls, attr: str) -> bool:
            return True

        def get_cfn_attribute(self, attribute_name: str) -> Any:
            return self.made.attributes[attribute_name]

        @classmethod
        def create_from_cloudformation_json(  # type: ignore[override]
            cls, name: str, resource: Any, account_id: str, region_name: str, **_: Any
        ) -> Any:
            return cls.made_at(Place(account_id, region_name), resource, name)

        @classmethod
        def made_at(cls, place: Place, resource: Any, name: str) -> Any:
            try:
                return cls(maker(place, _without_nothing(resource["Properties"]), name))
            except (ClientError, ParamValidationError, AssertionError, KeyError) as error:
                # Else the answer is a page of HTML that says nothing.
                from moto.cloudformation import parsing

                what = f"{kind} {name}: {type(error).__name__} {error}"
                raise parsing.ValidationError(name, message=what) from error

        @classmethod
        def update_from_cloudformation_json(  # type: ignore[override]
            cls,
            original_resource: Any,
            new_resource_name: str,
            cloudformation_json: Any,
            account_id: str,
            region_name: str,
        ) -> Any:
            place = Place(account_id, region_name, again=True)
            cls.made_at(place, cloudformation_json, new_resource_name)
            return original_resource

        @classmethod
        def delete_from_cloudformation_json(cls, name: str, *_: Any, **__: Any) -> None:  # type: ignore[override]
            # A test that begins to delete has to be told, not to find things still there.
            raise AssertionError(
                f"{kind} {name} was to be deleted, which no test of a template does"
            )

    return Model


def _without_nothing(value: Any) -> Any:
    """Take out of lists what was AWS::NoValue, which moto does of objects alone."""
    if isinstance(value, dict):
        return {key: _without_nothing(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_nothing(inner) for inner in value if inner is not None]
    return value
