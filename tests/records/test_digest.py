from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ctanalytics.records import digest as form
from tests.lake.decoding import json_values

# AWS CloudTrail User Guide, "CloudTrail digest file structure", shortened signature.
PUBLISHED = b"""{
  "awsAccountId": "111122223333",
  "digestStartTime": "2015-08-17T14:01:31Z",
  "digestEndTime": "2015-08-17T15:01:31Z",
  "digestS3Bucket": "S3-bucket-name",
  "digestS3Object": "AWSLogs/111122223333/CloudTrail-Digest/us-east-2/2015/08/17/111122223333_CloudTrail-Digest_us-east-2_your-trail-name_us-east-2_20150817T150131Z.json.gz",
  "digestPublicKeyFingerprint": "31e8b5433410dfb61a9dc45cc65b22ff",
  "digestSignatureAlgorithm": "SHA256withRSA",
  "newestEventTime": "2015-08-17T14:52:27Z",
  "oldestEventTime": "2015-08-17T14:42:27Z",
  "previousDigestS3Bucket": "S3-bucket-name",
  "previousDigestS3Object": "AWSLogs/111122223333/CloudTrail-Digest/us-east-2/2015/08/17/111122223333_CloudTrail-Digest_us-east-2_your-trail-name_us-east-2_20150817T140131Z.json.gz",
  "previousDigestHashValue": "97fb791cf91ffc440d274f8190dbdd9aa09c34432aba82739df18b6d3c13df2d",
  "previousDigestHashAlgorithm": "SHA-256",
  "previousDigestSignature": "50887ccffad4",
  "logFiles": [
    {
      "s3Bucket": "S3-bucket-name",
      "s3Object": "AWSLogs/111122223333/CloudTrail/us-east-2/2015/08/17/111122223333_CloudTrail_us-east-2_20150817T1445Z_9nYN7gp2eWAJHIfT.json.gz",
      "hashValue": "9bb6196fc6b84d6f075a56548feca262bd99ba3c2de41b618e5b6e22c1fc71f6",
      "hashAlgorithm": "SHA-256",
      "newestEventTime": "2015-08-17T14:52:27Z",
      "oldestEventTime": "2015-08-17T14:42:27Z"
    }
  ]
}"""

TEXTS = st.text(max_size=40)
OPTIONAL = st.none() | TEXTS


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def test_published_digest_is_read_whole() -> None:
    digest = form.parse(PUBLISHED)
    assert digest.end_time == "2015-08-17T15:01:31Z"
    assert digest.fingerprint == "31e8b5433410dfb61a9dc45cc65b22ff"
    assert digest.previous_signature == "50887ccffad4"
    assert not digest.starts_chain
    (file,) = digest.log_files
    assert file.sha256 == "9bb6196fc6b84d6f075a56548feca262bd99ba3c2de41b618e5b6e22c1fc71f6"
    assert file.oldest_event_time == "2015-08-17T14:42:27Z"


def test_a_built_digest_has_the_fields_of_the_published_one_in_its_order() -> None:
    ours = json.loads(form.build(form.parse(PUBLISHED)))
    assert json.dumps(ours) == json.dumps(json.loads(PUBLISHED))


def test_signing_string_takes_the_hash_of_the_bytes_as_read() -> None:
    digest = form.parse(PUBLISHED)
    assert (
        form.signing_string(digest, PUBLISHED)
        == (
            "2015-08-17T15:01:31Z\n"
            f"S3-bucket-name/{digest.key}\n"
            f"{hashlib.sha256(PUBLISHED).hexdigest()}\n"
            "50887ccffad4"
        ).encode()
    )
    assert form.signing_string(digest, PUBLISHED) != form.signing_string(digest, form.build(digest))


def test_signing_string_of_the_first_digest_ends_in_null() -> None:
    digest = form.Digest(
        start_time="a", end_time="b", bucket="c", key="d", fingerprint="e", previous_signature=None
    )
    assert digest.starts_chain
    assert form.signing_string(digest, b"").endswith(b"\nnull")


def test_signature_fits_its_key_and_text_alone(key: rsa.RSAPrivateKey) -> None:
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    signature = form.sign(key, b"text")
    assert len(signature) == 512
    assert form.verify(key.public_key(), signature, b"text")
    assert not form.verify(key.public_key(), signature, b"text ")
    assert not form.verify(other.public_key(), signature, b"text")
    flipped = f"{int(signature[:2], 16) ^ 1:02x}" + signature[2:]
    assert not form.verify(key.public_key(), flipped, b"text")


@given(signature=TEXTS)
def test_any_text_may_claim_to_be_a_signature(key: rsa.RSAPrivateKey, signature: str) -> None:
    assert not form.verify(key.public_key(), signature, b"text")


@pytest.mark.parametrize(
    "format_", [PublicFormat.PKCS1, PublicFormat.SubjectPublicKeyInfo], ids=["pkcs1", "spki"]
)
def test_both_key_formats_that_aws_gave_out_are_read(
    key: rsa.RSAPrivateKey, format_: PublicFormat
) -> None:
    der = key.public_key().public_bytes(Encoding.DER, format_)
    assert form.load_public_key(der).public_numbers() == key.public_key().public_numbers()
    assert form.fingerprint(der) == hashlib.md5(der).hexdigest()


def test_a_key_is_written_in_the_documented_format(key: rsa.RSAPrivateKey) -> None:
    assert base64.b64encode(form.public_key_der(key.public_key())).startswith(b"MIIBCgKC")


def test_a_key_of_another_kind_is_refused() -> None:
    elliptic = ec.generate_private_key(ec.SECP256R1()).public_key()
    der = elliptic.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(ValueError, match=r"^the key is not an RSA key$"):
        form.load_public_key(der)


def test_a_key_on_a_curve_that_nobody_knows_is_refused_by_its_name() -> None:
    elliptic = ec.generate_private_key(ec.SECP256R1()).public_key()
    der = elliptic.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    known, unknown = (bytes.fromhex(f"06082a8648ce3d0301{last}") for last in ("07", "77"))
    with pytest.raises(ValueError, match=r"1\.2\.840\.10045\.3\.1\.119 is not supported"):
        form.load_public_key(der.replace(known, unknown))


@given(der=st.binary(max_size=200))
def test_bytes_that_are_no_key_are_a_value_error(der: bytes) -> None:
    with pytest.raises(ValueError):
        form.load_public_key(der)


@given(
    content=st.binary(max_size=200)
    | st.sampled_from([b"{}", b"[]", b"null", b"[" * 100_000, PUBLISHED[:-9], b"\xff\xfe{}"])
)
def test_bytes_that_are_no_digest_are_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError):
        form.parse(content)


@given(
    name=st.sampled_from(list(json.loads(PUBLISHED))),
    value=json_values,
    within=st.booleans(),
)
@example(name="logFiles", value=[{}], within=False)
@example(name="previousDigestSignature", value="\ud800", within=False)
@settings(max_examples=50)
def test_a_digest_with_any_value_is_read_as_it_is_or_refused(
    name: str, value: object, within: bool
) -> None:
    fields = json.loads(PUBLISHED)
    (fields["logFiles"][0] if within else fields)[name] = value
    written = json.dumps(fields).encode()
    try:
        found = form.parse(written)
    except ValueError as error:
        assert str(error)
        return
    assert form.parse(form.build(found)) == found
    assert form.signing_string(found, written)


@pytest.mark.parametrize(
    "name",
    [
        "digestStartTime",
        "digestEndTime",
        "digestS3Bucket",
        "digestS3Object",
        "digestPublicKeyFingerprint",
        "previousDigestSignature",
    ],
)
def test_a_digest_without_a_field_that_validation_needs_is_refused(name: str) -> None:
    fields = json.loads(PUBLISHED)
    del fields[name]
    with pytest.raises(ValueError, match=name):
        form.parse(json.dumps(fields).encode())


@given(
    digest=st.builds(
        form.Digest,
        account_id=OPTIONAL,
        start_time=TEXTS,
        end_time=TEXTS,
        bucket=TEXTS,
        key=TEXTS,
        fingerprint=TEXTS,
        newest_event_time=OPTIONAL,
        oldest_event_time=OPTIONAL,
        previous_bucket=OPTIONAL,
        previous_key=OPTIONAL,
        previous_sha256=OPTIONAL,
        previous_hash_algorithm=OPTIONAL,
        previous_signature=OPTIONAL,
        log_files=st.lists(
            st.builds(form.LogFile, bucket=TEXTS, key=TEXTS, sha256=TEXTS), max_size=3
        ).map(tuple),
    )
)
def test_what_is_built_is_read_back(digest: form.Digest) -> None:
    assert form.parse(form.build(digest)) == digest


def test_metadata_names_come_back_in_lower_case() -> None:
    written = form.build_metadata("ab12", backfilled_at="2025-05-20T00:00:00.000Z")
    assert form.parse_metadata(written.replace(b"signature", b"Signature")) == {
        "signature": "ab12",
        "signature-algorithm": "SHA256withRSA",
        "backfill-generation-timestamp": "2025-05-20T00:00:00.000Z",
    }
    assert json.loads(written) == form.parse_metadata(written)  # as S3 has them: in lower case
    assert "backfill-generation-timestamp" not in form.parse_metadata(form.build_metadata("ab12"))


@pytest.mark.parametrize("content", [b"", b"[]", b'{"signature": 1}', b"\xff"])
def test_metadata_that_is_none_is_a_value_error(content: bytes) -> None:
    with pytest.raises(ValueError):
        form.parse_metadata(content)


def test_public_keys_are_read_back() -> None:
    key = form.PublicKey(
        region="eu-west-1",
        fingerprint="f",
        value=b"\x00\xff",
        valid_from=dt.datetime(2025, 10, 1, tzinfo=dt.UTC),
        valid_until=dt.datetime(2025, 11, 1, tzinfo=dt.UTC),
    )
    content = form.build_public_keys([key])
    assert b'\n  "PublicKeyList": [\n' in content  # to be read by people too
    assert b'"Value": "AP8="' in content
    assert form.parse_public_keys(content) == (key,)
    with pytest.raises(ValueError):
        form.parse_public_keys(b'{"PublicKeyList": [{}]}')
