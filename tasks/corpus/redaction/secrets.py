"""Credentials that look like what they are: tokens with a published prefix, private keys, passwords that are assigned.

Keys of documentation (AWS writes AKIA…EXAMPLE) and what stands for a value (`${TOKEN}`, `<password>`, `changeme`) stay.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections import Counter
from functools import partial

from tasks.corpus.redaction.context import before
from tasks.corpus.redaction.pattern import ALONE, Pattern, Span

_TOKEN = r"(?<![0-9A-Za-z_-])", r"(?![0-9A-Za-z_-])"
_DIGIT = re.compile(r"[0-9]")

_NAMES = (
    r"pass(?:word|wd|phrase)?|pwd|secret|token|api.?key|access.?key|auth.?key|account.?key|client.?secret|secret.?key"
    r"|private.?key|credentials?"
)
_SHORTEST = 8
_VALUE = r"[^ \t\n\r\"'`,;<>(){}\[\]]"
_BARE = rf"{_VALUE}{{{_SHORTEST},2000}}"
_QUOTED = "|".join(rf"{quote}((?:[^{quote}\\\r\n]|\\[^\r\n]){{{_SHORTEST},200}}){quote}" for quote in "\"'`")
_UNQUOTED = re.compile(_BARE)
# What programs write where a value would stand; words that say so count only whole (TrueBlue92!x is a password).
_NO_VALUE = re.compile(
    r"[$<{%\[^]|\(\?|\*{3}|x{4}|\.{3}|(?i:os\.|self\.|arn:|https?:|"
    r"(?:(?:your|my[-_]?(?:secret|pass|token|key)|change)[a-z]*[0-9]{0,4}|example|sample|dummy|redacted|placeholder|test|todo|none|null|true"
    r"|false|undefined|env|process|config)(?![0-9a-z]))",
)
# Where a value without quotes ends: at the next field of a form, a command, an entity of HTML; in the query of an
# address at any &.
_NEXT_FIELD = re.compile(r"&(?:(?:amp;)?[\w.%\[\]-]+=|&|[a-z]{2,6};|#x?[0-9a-f]{1,6};)", re.ASCII)
_IN_QUERY, _AND = re.compile(r"[?&][\w.%\[\]-]*\Z", re.ASCII), re.compile("&")
# Within quotes: what is filled in, what parts words, and what stands for something that was found before.
_FILLED_IN = re.compile(r"\{[^{}]*\}")
_PARTS = re.compile(r"[\s,;(){}\[\]<>]+")
_PLACEHOLDER = re.compile(r"<[A-Z_]{3,}>|\[[A-Z_]{3,}\]|\{[A-Z_]{3,}\}|([#*|])[A-Z_]{3,}\1")

_LONGEST_KEY = 20_000
"""Characters: RSA of 16 384 bits takes 13 000."""
_LAST_LINE = re.compile(r"-----END (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_BASE64 = re.compile(r"(?:(?:\s|\\[nr]){1,4}[0-9A-Za-z+/=]{16,})*")
# Names, paths, dotted names and dates, as in code: parts of letters that end in a digit or two (MinimumLength14).
_NAME = re.compile(r"/?[A-Za-z_-]+[0-9]{0,2}(?:[./:]+[A-Za-z_-]*[0-9]{0,2})*", re.ASCII)
_CODE = re.compile(
    r"[A-Za-z_]+(?:[0-9]{1,3}[A-Za-z_]*)?(?:\.[A-Za-z_]+(?:[0-9]{1,3}[A-Za-z_]*)?)+|[0-9]{4}-[0-9]{2}-[0-9]{2}.*",
    re.ASCII,
)
# What makes another thing of a token or key: nextToken, partition_key; token_type, passwordPolicy.
_OTHER_BEFORE = re.compile(
    r"(?:next|change|page|pagination|continuation|continue|purchase|action|request|idempotency|sync|sort|partition"
    r"|primary|foreign|public|start|cache|client|upload|refund|arn:[^\s\"']*:)[-_ ]?\Z",
    re.IGNORECASE,
)
_OTHER_AFTER = re.compile(
    r"[-_]?(?:types?|names?|ttl|policy|length|len|min|max|urls?|uri|path|files?|field|count|format|expir|arn|prefix|label)",
    re.IGNORECASE,
)


def entropy(value: str) -> float:
    """Bits per character of the value's own distribution of characters (Shannon 1948)."""
    counts = Counter(value).values()
    return sum(count / len(value) * math.log2(len(value) / count) for count in counts)


def _random(match: re.Match[str]) -> Span | None:
    """A token that holds a digit and is no example."""
    start, end = match.span(1 if match.re.groups else 0)
    value = match.string[start:end]
    return (start, end) if _DIGIT.search(value) and not value.upper().endswith("EXAMPLE") else None


def _long_key(match: re.Match[str]) -> Span | None:
    """`sk-` begins words, too (sk-learn-…): letters of both cases and digits make a key."""
    value = match[0]
    mixed = _DIGIT.search(value) and value.lower() != value and entropy(value) >= 3.5
    return match.span() if mixed else None


def _letters(match: re.Match[str]) -> Span | None:
    """Letters of both cases, with or without a digit; a placeholder is shorter."""
    value = match[0].rpartition("_")[2]
    mixed = value.lower() != value and value.upper() != value and entropy(value) >= 3.5
    return match.span() if mixed else None


def _private_key(match: re.Match[str]) -> Span | None:
    """The match is its first line; it ends with its last, or, cut off, with the last line of base64."""
    text, begin = match.string, match.end()
    last = _LAST_LINE.search(text, begin, begin + _LONGEST_KEY)
    end = last.end() if last else _BASE64.match(text, begin).end()  # type: ignore[union-attr]  # matches nothing, too
    return (match.start(), end) if _DIGIT.search(text, begin, end) else None


def _jwt(match: re.Match[str]) -> Span | None:
    """Its head must be JSON that names an algorithm (RFC 7519, RFC 7515)."""
    head = match[0].split(".")[0]
    try:
        decoded = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except ValueError:
        return None
    return match.span() if isinstance(decoded, dict) and "alg" in decoded and _DIGIT.search(match[0]) else None


def _assigned(match: re.Match[str], floor: float) -> Span | None:
    """In quotes the value goes to the closing one; where that is none, it is read as if there were no quotes."""
    name = re.match(rf"(?i:{_NAMES})", match[0])
    if _OTHER_BEFORE.search(before(match, 120)) or (name and _OTHER_AFTER.match(match[0], name.end())):
        return None
    text, (start, end) = match.string, match.span(match.lastindex)  # type: ignore[arg-type]  # one group takes part
    if match.lastindex != 4:
        if _whole(text, start, end, floor):
            return start, end
        bare = _UNQUOTED.match(text, start)
        if bare is None:
            return None
        end = bare.end()
    field = (_AND if _IN_QUERY.search(before(match)) else _NEXT_FIELD).search(text, start, end + 1)
    end = min(end, field.start()) if field else end
    value = text[start:end].rstrip(".:&")
    if not _secret(value, floor) or "..." in text[start:end] or _plain(value) or text.startswith("(", end):  # a call
        return None
    return start, start + len(value)


def _whole(text: str, start: int, end: int, floor: float) -> bool:
    """Whether all that stands between quotes is a value, and no sentence, list of names or piece of a program."""
    value = text[start:end]
    if not _secret(value, floor) or "..." in value or _PLACEHOLDER.search(value) or text[end + 1 : end + 2].isalnum():
        return False
    parts = _PARTS.split(_FILLED_IN.sub("", value))
    sentence = " " in value and 2 * sum(map(_mixed, parts)) <= len(parts)
    return not sentence and not all(part.isdigit() or _plain(part) for part in parts if part)


def _secret(value: str, floor: float) -> bool:
    if not _mixed(value) or len(value) < _SHORTEST or entropy(value) < floor or _NO_VALUE.match(value):
        return False
    return not value.rstrip("=").upper().endswith(("EXAMPLE", "EXAMPLEKEY"))


def _mixed(value: str) -> bool:
    """A letter and a digit: words and numbers are seldom passwords, and a placeholder is never taken for one."""
    return bool(_DIGIT.search(value) and re.search(r"[A-Za-z]", value))


def _plain(value: str) -> bool:
    """Words, names and dates as they stand in code."""
    return bool(_NAME.fullmatch(value) or _CODE.fullmatch(value))


SECRETS: tuple[Pattern, ...] = (
    # RFC 7468
    Pattern(
        "private_key",
        r"-----BEGIN (?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?-----",
        _private_key,
        ("", ""),
        ("-----begin",),
        "token",
    ),
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html
    Pattern(
        "aws_access_key",
        r"(?:AKIA|ASIA)[A-Z2-7]{16}",
        _random,
        ALONE,
        ("akia", "asia"),
        "token",
        "AKIA[A-Z2-7]|ASIA[A-Z2-7]",
    ),
    # https://github.blog/engineering/platform-security/behind-githubs-new-authentication-token-formats/
    Pattern(
        "github_token",
        r"gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",
        _random,
        ALONE,
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        "token",
        r"gh[pousr]_[A-Za-z0-9]|github_pat_",
    ),
    # https://docs.gitlab.com/security/tokens/#token-prefixes
    Pattern(
        "gitlab_token",
        r"gl(?:pat|dt|rt|cbt|ptt|ft|imt|agent|oas|soat)-[A-Za-z0-9_-]{20,}(?:\.[A-Za-z0-9_-]+)*",
        _random,
        _TOKEN,
        tuple(f"gl{name}-" for name in ("pat", "dt", "rt", "cbt", "ptt", "ft", "imt", "agent", "oas", "soat")),
        "token",
        r"\bgl[a-z]{2,5}-",
    ),
    # https://docs.slack.dev/authentication/tokens, https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
    Pattern(
        "slack_token",
        r"xox[abeoprs](?:\.xox[bp])?-[A-Za-z0-9-]{20,}|xapp-[0-9]-[A-Za-z0-9-]{20,}"
        r"|https://hooks\.slack\.com/(?:services|workflows)/[A-Za-z0-9/]{30,}",
        _random,
        _TOKEN,
        ("xox", "xapp-", "hooks.slack"),
        "token",
        r"xox[abeoprs]|xapp-|hooks\.slack",
    ),
    # https://docs.cloud.google.com/docs/authentication/api-keys
    Pattern("google_api_key", r"AIza[0-9A-Za-z_-]{35}", _random, _TOKEN, ("aiza",), "token", "AIza"),
    # https://docs.cloud.google.com/docs/authentication/token-types: of no published length, those of today over 100
    Pattern("google_oauth_token", r"ya29\.[0-9A-Za-z_-]{20,}", _long_key, _TOKEN, ("ya29.",), "token", r"ya29\."),
    # https://huggingface.co/docs/hub/security-tokens, and api_org_ of organisations, which are no longer made
    Pattern(
        "huggingface_token",
        r"(?:hf|api_org)_[0-9A-Za-z]{34}",
        _letters,
        ALONE,
        ("hf_", "api_org_"),
        "token",
        r"\bhf_[0-9A-Za-z]|api_org_",
    ),
    # https://www.twilio.com/docs/sendgrid/ui/account-and-settings/api-keys: 69 characters
    Pattern(
        "sendgrid_key",
        r"SG\.[0-9A-Za-z_-]{22}\.[0-9A-Za-z_-]{43}",
        _random,
        _TOKEN,
        ("sg.",),
        "token",
        r"SG\.[0-9A-Za-z_-]",
    ),
    # https://docs.digitalocean.com/reference/api/create-personal-access-token: personal, OAuth and refresh tokens
    Pattern(
        "digitalocean_token",
        r"do[opr]_v1_[0-9a-f]{64}",
        _random,
        ALONE,
        ("doo_v1_", "dop_v1_", "dor_v1_"),
        "token",
        "do[opr]_v1_",
    ),
    # https://docs.docker.com/security/access-tokens: of persons and of organisations
    Pattern("docker_token", r"dckr_[op]at_[0-9A-Za-z_-]{27,}", _random, _TOKEN, ("dckr_",), "token", "dckr_[op]at_"),
    # https://docs.stripe.com/keys
    Pattern(
        "stripe_key",
        r"(?:sk|rk)_(?:live|test)_[0-9A-Za-z]{16,}|whsec_[0-9A-Za-z]{32,}",
        _random,
        ALONE,
        ("k_live_", "k_test_", "whsec_"),
        "token",
        "k_live_|k_test_|whsec_",
    ),
    # https://docs.npmjs.com/about-access-tokens
    Pattern("npm_token", r"npm_[A-Za-z0-9]{36}", _random, ALONE, ("npm_",), "token", "npm_[A-Za-z0-9]"),
    # https://warehouse.pypa.io/development/token-scanning.html: a macaroon of PyPI or TestPyPI
    Pattern("pypi_token", r"pypi-AgE[A-Za-z0-9_-]{50,}", _random, _TOKEN, ("pypi-age",), "token", "pypi-AgE"),
    # https://platform.openai.com/docs/api-reference/authentication, https://docs.claude.com/en/api/overview
    Pattern("sk_key", r"sk-[A-Za-z0-9_-]{32,}", _long_key, _TOKEN, ("sk-",), "token", r"\bsk-[A-Za-z0-9_-]"),
    Pattern(
        "jwt",
        r"eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{16,}",
        _jwt,
        _TOKEN,
        ("eyj",),
        "token",
        "eyJ[A-Za-z0-9_-]",
    ),
    # RFC 3986, section 3.2.1: user:password@host
    Pattern(
        "url_password",
        r"[a-z][a-z0-9+.-]{1,30}://[^\s/:@\"'<>]{0,64}:([^\s/:@\"'<>${}]{3,128})@[0-9A-Za-z\[]",
        _random,
        ("", ""),
        ("://",),
        "url",
        r"://[^ /@]*:[^ /@]*@",
    ),
)


def assignments(floor: float) -> Pattern:
    """Values of settings that are called password, token, key: at least `floor` bits of entropy a character."""
    return Pattern(
        "assigned_secret",
        rf"(?i:{_NAMES})[0-9A-Za-z_-]{{0,16}}[\"']?[ \t]{{0,3}}(?::=|=>|[:=])[ \t]{{0,3}}"
        rf"(?:{_QUOTED}|[\"'`]?({_BARE}))",
        partial(_assigned, floor=floor),
        ("", ""),
        ("pass", "pwd", "secret", "token", "key", "credential"),
        "assignment",
        rf"(?i:{_NAMES})[0-9A-Za-z_-]*[\"']?[ \t]*(?::=|=>|[:=])[ \t]*"
        rf"(?:[\"'`][^\r\n]{{{_SHORTEST}}}|{_VALUE}{{{_SHORTEST}}})",
    )
