"""Host keys as text: whole or refused, with OpenSSH's own fingerprint."""

from __future__ import annotations

import base64

import pytest

from rollcast.engine.problems import InputError
from rollcast.fleet.host_keys import parse_host_key
from tests.fleet import keys


@pytest.mark.parametrize(
    ("text", "algorithm", "fingerprint"),
    [
        (keys.ED25519, "ssh-ed25519", keys.ED25519_FINGERPRINT),
        (keys.RSA, "ssh-rsa", keys.RSA_FINGERPRINT),
        (keys.ECDSA, "ecdsa-sha2-nistp256", keys.ECDSA_FINGERPRINT),
        (f"  {keys.ED25519} root@eu-01\n", "ssh-ed25519", keys.ED25519_FINGERPRINT),
        (f"[10.0.0.7]:2222 {keys.ED25519}", "ssh-ed25519", keys.ED25519_FINGERPRINT),
        (f"|1|c2FsdA==|aGFzaA== {keys.ED25519}", "ssh-ed25519", keys.ED25519_FINGERPRINT),
    ],
)
def test_a_key_has_the_fingerprint_that_openssh_prints(text: str, algorithm: str, fingerprint: str) -> None:
    key = parse_host_key(text)
    assert (key.algorithm, key.fingerprint) == (algorithm, fingerprint)
    assert key.key in text


BODY = keys.ED25519.split()[1]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "host_key_shape"),
        ("hello", "host_key_shape"),
        ("ssh-ed25519", "host_key_shape"),
        (BODY, "host_key_shape"),
        (f"ssh-dss {BODY}", "host_key_shape"),
        (f"@revoked * {keys.ED25519}", "host_key_marker"),
        (f"ssh-rsa {BODY}", "host_key_damaged"),
        (f"ssh-ed25519 {BODY[:-4]}", "host_key_damaged"),
        (f"ssh-ed25519 {BODY[:-1]}", "host_key_damaged"),
        (f"ssh-ed25519 {BODY}AAAA", "host_key_damaged"),
        (f"ssh-ed25519 {BODY[:20]}!{BODY[21:]}", "host_key_damaged"),
        (f"ssh-ed25519 {base64.b64encode(b'ssh-ed25519').decode()}", "host_key_damaged"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5", "host_key_damaged"),
    ],
)
def test_a_key_that_is_not_whole_is_refused(text: str, code: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_host_key(text)
    problem = refused.value.problems[0]
    assert (problem.code, problem.field) == (code, "host_key")
    assert "ssh-keyscan" in problem.cure_text
