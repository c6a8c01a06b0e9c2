"""What goes wrong with a store behind a URL, as one line: the URL without its secrets, what is wrong, what to do."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import unquote

from sparsecodec_cli.errors import CliError, one_line, os_reason, shown_output

S3_SCHEMES = ("s3", "s3a")

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://(.*)", re.DOTALL)  # one letter is a Windows drive
_SECRET_QUERY = re.compile(r"\?.*(sig|token|secret|passw|credential|key)[^=]*=.*", re.IGNORECASE | re.DOTALL)

_NO_CREDENTIALS = "no credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run 'aws configure'"
_BAD_CREDENTIALS = "the store does not accept these credentials; check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
_UNREACHABLE = "the store cannot be reached; check the network"
_UNREACHABLE_S3 = f"{_UNREACHABLE}, and AWS_ENDPOINT_URL if it is set"
_EXPIRED = "these credentials have expired; get new ones"
_OTHER_REGION = "the bucket is in another region; set AWS_DEFAULT_REGION to it"
_NO_BUCKET = "no such bucket; check the name, or make the bucket first"

# S3's codes, and names of exceptions; botocore is not imported for them, as it may not be there.
_REASONS = {
    "NoSuchBucket": _NO_BUCKET,
    "InvalidBucketName": "this is not a valid name of a bucket; check it",
    "InvalidAccessKeyId": _BAD_CREDENTIALS,
    "SignatureDoesNotMatch": _BAD_CREDENTIALS,
    "AuthorizationHeaderMalformed": "credentials or region do not fit; check AWS_ACCESS_KEY_ID and AWS_DEFAULT_REGION",
    "ExpiredToken": _EXPIRED,
    "TokenRefreshRequired": _EXPIRED,
    "InvalidToken": "the store does not accept this session; check AWS_SESSION_TOKEN",
    "RequestTimeTooSkewed": "the store's clock and this one differ; set this one",
    "PermanentRedirect": _OTHER_REGION,
    "IllegalLocationConstraintException": _OTHER_REGION,
    "301": _OTHER_REGION,
    "SlowDown": "the store has too much to do; try again later",
    "ServiceUnavailable": "the store has too much to do; try again later",
    "KeyTooLongError": "this name is too long; choose a shorter one",
    "NoCredentialsError": _NO_CREDENTIALS,
    "PartialCredentialsError": _NO_CREDENTIALS,
    "CredentialRetrievalError": "the credentials cannot be had; check ~/.aws/config",
    "ProfileNotFound": "there is no such profile; check AWS_PROFILE and ~/.aws/config",
    "NoRegionError": "no region is set; set AWS_DEFAULT_REGION",
    "ParamValidationError": "this is no name of a bucket or object; check it",
    "EndpointConnectionError": _UNREACHABLE_S3,
    "SSLError": "the store's certificate is not accepted; check AWS_ENDPOINT_URL and AWS_CA_BUNDLE",
    "ProxyConnectionError": "the proxy cannot be reached; check HTTPS_PROXY",
    "HTTPClientError": _UNREACHABLE_S3,  # of botocore: time-outs, and answers that are none
    "ClientConnectionError": _UNREACHABLE,
    "gaierror": _UNREACHABLE,
    "ConnectionError": _UNREACHABLE,
    "TimeoutError": _UNREACHABLE,
    "FSTimeoutError": _UNREACHABLE,
    "NotImplementedError": "a store of this kind cannot do that; use another one, such as s3://",
}


def split_url(path: str) -> tuple[str, str] | None:
    """Scheme, in lower case, and rest of a URL; None for anything else."""
    match = _URL.fullmatch(path)
    return (match[1].lower(), match[2]) if match else None


def is_url(path: str) -> bool:
    """Whether `path` begins with a scheme such as 's3://'; 'C:\\page.html' and 'a:b.html' do not."""
    return split_url(path) is not None


def has_login(url: str) -> bool:
    """Whether the URL holds 'user:password@'."""
    parts = split_url(url)
    return parts is not None and bool(_login(*parts))


def shown_place(path: str) -> str:
    """A path or URL as a message shows it: one line, a URL without user, password and signature."""
    parts = split_url(path)
    if parts is None:
        return shown_output(path)
    scheme, rest = parts
    public = rest[len(_login(scheme, rest)) :]
    return one_line(f"{scheme}://{_SECRET_QUERY.sub('?…', public)}")


def _login(scheme: str, rest: str) -> str:
    """What of a URL's rest is 'user:password@', with the '@'."""
    host = rest.partition("/")[0]
    if scheme in S3_SCHEMES and host.startswith("arn:"):
        return ""
    # Keys of S3 often hold a '/', which by the rules would have ended them; 'host:21/' is a port.
    broken = ":" in host and ("@" not in host or scheme in S3_SCHEMES) and not re.fullmatch(r"[^:]*:\d*", host)
    where = rest if broken else host
    return where[: where.rfind("@") + 1]


@contextmanager
def about_store(url: str, *, name: str | None = None) -> Iterator[None]:
    """Any error raised inside becomes a CliError that names `url` (shown as `name`), says why and what to do.

    For calls of fsspec only: what each of its stores raises is not known, so all is taken as the store's word.
    """
    try:
        yield
    except CliError:
        raise
    except Exception as error:
        raise CliError(f"{name or shown_place(url)}: {_reason(error, url)}") from error


def s3_code(error: BaseException) -> str:
    """S3's own code of an error, such as 'NoSuchBucket'; '' where it has none."""
    for cause in _causes(error):
        response = getattr(cause, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
    return ""


def is_empty_object(error: BaseException) -> bool:
    """Whether reading the first byte failed because there is none."""
    return s3_code(error) in ("InvalidRange", "416")


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__


def _reason(error: Exception, url: str) -> str:
    scheme, _ = split_url(url) or ("", "")
    if isinstance(error, ImportError):
        return _missing_package(error, scheme)
    known = _known_reason(error)
    if known:
        return known
    if isinstance(error, FileNotFoundError):
        return "no such file or folder; check the name"
    if isinstance(error, PermissionError):
        return os_reason(PermissionError(errno.EACCES, ""))
    said = _without_secrets(str(error) or type(error).__name__, url)
    if "Invalid endpoint" in said:
        return "AWS_ENDPOINT_URL is not a URL; set it to one such as https://host:9000"
    return f"the store refuses: {one_line(said).rstrip('.')}; check the URL and the store's settings"


def _known_reason(error: Exception) -> str | None:
    names = [s3_code(error)]
    for cause in _causes(error):
        names += [kind.__name__ for kind in type(cause).__mro__]
    return next((_REASONS[name] for name in names if name in _REASONS), None)


def _missing_package(error: ImportError, scheme: str) -> str:
    if scheme in S3_SCHEMES:
        return "s3:// needs the package s3fs; pip install 'sparsecodec[s3]'"
    return f"{scheme}:// needs another package; {one_line(str(error)).rstrip('.')}"


def _without_secrets(text: str, url: str) -> str:
    login = _login(*(split_url(url) or ("", ""))).rstrip("@")
    password = login.partition(":")[2]
    for secret in (login, unquote(login), password, unquote(password)):
        if secret:
            text = text.replace(secret, "…")
    return re.sub(r"://[^/\s@]*@", "://", _SECRET_QUERY.sub("?…", text))
