"""Generated credentials, and what looks like them: for `benchmarks.curation.pii`."""

from __future__ import annotations

import base64
import json
import random
import string
from collections.abc import Callable

ALNUM = string.ascii_letters + string.digits
URL_SAFE = ALNUM + "-_"


def token(rng: random.Random, count: int, among: str = ALNUM) -> str:
    return "".join(rng.choices(among, k=count - 1)) + rng.choice(string.digits)


def _assigned(rng: random.Random) -> tuple[str, str, str]:
    name = rng.choice(
        ["password", "DB_PASSWORD", "api_key", "client_secret", "token", "AWS_SECRET_ACCESS_KEY", "authToken"]
    )
    sign, quote = rng.choice([("=", ""), (": ", ""), (" = ", '"'), ("': ", "'"), ('": ', '"')])
    if rng.randrange(8) == 0:
        return f"https://api.acme.io/v1?user=7&{name}=", token(rng, 24), "&page=2"
    among = ALNUM + "!#%*+-_./&" + ",;(){}@" * bool(quote)
    value = token(rng, rng.choice([12, 16, 24, 40]), among)
    no_value = rng.choice(["True", "test", "none", "null", "env", "Config"]) + rng.choice(ALNUM)
    value = no_value * (rng.randrange(8) == 0) + value[:-1].strip("$.%*{(") + value[-1]
    return f"{name}{sign}{quote}", value, quote or "\n"


def _jwt(rng: random.Random) -> str:
    def part(value: dict[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    head = part({"alg": rng.choice(["HS256", "RS256", "none"]), "typ": "JWT"})
    return f"{head}.{part({'sub': token(rng, 10), 'iat': rng.randrange(10**9)})}.{token(rng, 43, URL_SAFE)}"


def _private_key(rng: random.Random) -> str:
    name = rng.choice(["RSA ", "EC ", "OPENSSH ", "", "ENCRYPTED "])
    body = "\n".join(token(rng, 64, ALNUM + "+/") for _ in range(rng.randrange(4, 20)))
    return f"-----BEGIN {name}PRIVATE KEY-----\n{body}\n-----END {name}PRIVATE KEY-----"


def _plain(make: Callable[[random.Random], str]) -> Callable[[random.Random], tuple[str, str, str]]:
    return lambda rng: (
        rng.choice(["", "Bearer ", "curl -H '", "use "]),
        make(rng),
        rng.choice([" ", "\n", "'", '"', "."]),
    )


CREDENTIALS: dict[str, Callable[[random.Random], tuple[str, str, str]]] = {
    "private_key": _plain(_private_key),
    "aws_access_key": _plain(
        lambda rng: (
            rng.choice(["AKIA", "ASIA"])
            + "".join(rng.choices(string.ascii_uppercase + "234567", k=15))
            + rng.choice("234567")
        )
    ),
    "github_token": _plain(
        lambda rng: rng.choice(
            [f"gh{rng.choice('pousr')}_{token(rng, 36)}", f"github_pat_{token(rng, 22)}_{token(rng, 59)}"]
        )
    ),
    "gitlab_token": _plain(lambda rng: f"glpat-{token(rng, 20, URL_SAFE)}"),
    "slack_token": _plain(
        lambda rng: rng.choice(
            [
                f"xoxb-{rng.randrange(10**11, 10**12)}-{rng.randrange(10**11, 10**12)}-{token(rng, 24)}",
                f"https://hooks.slack.com/services/T{token(rng, 8).upper()}/B{token(rng, 8).upper()}/{token(rng, 24)}",
            ]
        )
    ),
    "google_api_key": _plain(lambda rng: f"AIza{token(rng, 35, URL_SAFE)}"),
    "google_oauth_token": _plain(lambda rng: f"ya29.a0{token(rng, rng.choice([60, 160, 210]), URL_SAFE)}"),
    "huggingface_token": _plain(lambda rng: f"hf_{''.join(rng.choices(string.ascii_letters, k=34))}"),
    "sendgrid_key": _plain(lambda rng: f"SG.{token(rng, 22, URL_SAFE)}.{token(rng, 43, URL_SAFE)}"),
    "digitalocean_token": _plain(lambda rng: f"do{rng.choice('opr')}_v1_{token(rng, 64, '0123456789abcdef')}"),
    "docker_token": _plain(
        lambda rng: rng.choice([f"dckr_pat_{token(rng, 27, URL_SAFE)}", f"dckr_oat_{token(rng, 32, URL_SAFE)}"])
    ),
    "stripe_key": _plain(lambda rng: f"{rng.choice(['sk', 'rk'])}_{rng.choice(['live', 'test'])}_{token(rng, 24)}"),
    "npm_token": _plain(lambda rng: f"npm_{token(rng, 36)}"),
    "pypi_token": _plain(lambda rng: f"pypi-AgEIcHlwaS5vcmc{token(rng, 150, URL_SAFE)}"),
    "sk_key": _plain(lambda rng: f"sk-{rng.choice(['', 'proj-', 'ant-api03-'])}{token(rng, 48, URL_SAFE)}"),
    "jwt": _plain(_jwt),
    "url_password": lambda rng: (
        f"{rng.choice(['postgres', 'https', 'redis', 'amqp'])}://{rng.choice(['admin', 'svc', ''])}:",
        token(rng, 12),
        "@db.acme.io:5432/x",
    ),
    "assigned_secret": _assigned,
}

LOOKALIKES: dict[str, Callable[[random.Random], str]] = {
    "assigned nothing": lambda rng: rng.choice(
        [
            'password = "${DB_PASSWORD}"',
            "token: <your-token>",
            "api_key=YOUR_API_KEY_HERE1",
            "password: changeme123",
            "secret = os.environ['SECRET_1']",
            "password=********",
            "token_type: bearer",
            "password: str | None = None",
            "PASSWORD_MIN_LENGTH=12",
            "passwordPolicy: MinimumPasswordLength14",
            "--token-ttl=3600s",
            "password = getpass.getpass()",
            "client_secret: {{ vault.secret2 }}",
            "secret: projects/p/secrets/s1",
            "key=value",
            "partition_key: user_id_2",
            "password=true",
            "token: test-token-1",
            "secret=null;port=5432",
            "password: 'At least 8 characters, 1 digit and none of &<>'",
            'password = "^[A-Za-z0-9]{8,20}$"',
            'tokens = "user1, user22, admin3"',
            'secret = f"projects/{project}/secrets/{name1}"',
            'token: "see section 4.2b of the manual, please"',
            "https://acme.io/login?token=&user=bob77&page=12",
            "secret=a&b=12345678",
        ]
    ),
    "documented key": lambda rng: rng.choice(
        [
            "AKIAIOSFODNN7EXAMPLE",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "ghp_xxxxxxxxxxxxxxxxxxxx",
            "sk-...",
            "AIza...",
        ]
    ),
    "slug": lambda rng: rng.choice(
        [
            "sk-learn-contrib-is-a-very-long-package-name",
            "npm_config_registry",
            "glpat-token",
            "xoxb-your-token",
            "eyJ is how JWTs begin",
            "pypi-attestations",
            "github_pat_ prefix",
            "hf_hub_download_with_a_name_of_thirty_four",
            f"hf_{'x' * 34}",
            "SG.xxxxxxxx.yyyyyyyy",
            "dop_v1_your_token_of_sixty_four_characters",
            "ya29.xxxxxxxxxxxxxxxxxxxxxxxx",
            "dckr_pat_your-own-access-token-goes-here-please",
        ]
    ),
    "public key": lambda rng: rng.choice(
        [
            "-----BEGIN PUBLIC KEY-----\nMIIBIjANBg1\n-----END PUBLIC KEY-----",
            "-----BEGIN CERTIFICATE-----\nMIID1\n-----END CERTIFICATE-----",
            f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5{token(rng, 48)}",
        ]
    ),
    "url": lambda rng: rng.choice(
        [
            "postgres://user:password@localhost/db",
            "http://host:8080/a@b",
            "https://cdn.io/x:y@1.2/z",
            "redis://:${PASS1}@h",
        ]
    ),
}
"""Hard negatives."""
