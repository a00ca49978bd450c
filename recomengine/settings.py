"""Settings, all from the environment; docs/configuration.md lists every variable.

Nothing needs to be set for local work: without DATABASE_URL and REDIS_URL the embedded services under `.local/` are
used. `RECOMENGINE_ENV=production` refuses to start with a default secret or without real servers.
"""

import hashlib
import re
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from django.urls import reverse_lazy
from psycopg.conninfo import conninfo_to_dict

from recomengine import logs
from recomengine.local import paths

BASE_DIR = Path(__file__).resolve().parent.parent
env = environ.Env()

ENVIRONMENT = env.str("RECOMENGINE_ENV", default="local")
if ENVIRONMENT not in {"local", "production"}:
    raise ImproperlyConfigured(f"RECOMENGINE_ENV is {ENVIRONMENT!r}; set it to 'local' or 'production'.")
PRODUCTION = ENVIRONMENT == "production"
DEBUG = env.bool("RECOMENGINE_DEBUG", default=False)


def secret(name: str) -> str:
    """A secret from the environment; outside production a fixed one, so that local restarts keep logins and keys."""
    value = env.str(name, default="")
    if PRODUCTION and (len(value) < 50 or value.startswith("local-only")):
        raise ImproperlyConfigured(
            f"{name} must be set to a random value of at least 50 characters in production. "
            "Make one with: python -c 'import secrets; print(secrets.token_urlsafe(48))'"
        )
    return value or f"local-only-{name.lower()}-never-use-in-production"


def server_url(name: str, local: str) -> str:
    """The address of a server: from the environment, else (not in production) the embedded one."""
    value = env.str(name, default="")
    if PRODUCTION and not value:
        raise ImproperlyConfigured(f"{name} must name a server in production; embedded services are for local use.")
    return value or local


def networks(written: list[str]) -> list[IPv4Network | IPv6Network]:
    """IP networks as they are written, 10.1.0.0/16."""
    try:
        return [ip_network(each) for each in written]
    except ValueError as error:
        raise ImproperlyConfigured(f"RECOMENGINE_IMPORT_NETWORKS: {error}.") from error


SECRET_KEY = secret("DJANGO_SECRET_KEY")
SECRET_KEY_FALLBACKS: list[str] = env.list("DJANGO_OLD_SECRET_KEYS", default=[])
API_KEY_PEPPER = secret("RECOMENGINE_API_KEY_PEPPER")
API_KEY_OLD_PEPPERS: list[str] = env.list("RECOMENGINE_API_KEY_OLD_PEPPERS", default=[])


def derived(purpose: str, key: str = SECRET_KEY) -> bytes:
    """A key of its own for one purpose, so that no two of them share one."""
    return hashlib.blake2b(purpose.encode(), key=hashlib.sha256(key.encode()).digest(), digest_size=32).digest()


MAX_CONCURRENT_RECOMMENDATIONS = env.int("RECOMENGINE_MAX_CONCURRENT_RECOMMENDATIONS", default=200)  # of a process
API_PORT = env.int("RECOMENGINE_API_PORT", default=5009)
DASHBOARD_PORT = env.int("RECOMENGINE_DASHBOARD_PORT", default=3109)
API_URL = env.str("RECOMENGINE_API_URL", default=f"http://127.0.0.1:{API_PORT}")
DASHBOARD_URL = env.str("RECOMENGINE_DASHBOARD_URL", default=f"http://127.0.0.1:{DASHBOARD_PORT}")
ALLOWED_HOSTS = env.list("RECOMENGINE_ALLOWED_HOSTS", default=[] if PRODUCTION else ["127.0.0.1", "localhost", "[::1]"])
if PRODUCTION and not ALLOWED_HOSTS:
    raise ImproperlyConfigured("RECOMENGINE_ALLOWED_HOSTS must list the host names served in production.")
CSRF_TRUSTED_ORIGINS = [DASHBOARD_URL]

# --- Data -----------------------------------------------------------------------------------------------------------
DATABASE_URL = server_url("DATABASE_URL", paths.database_url(BASE_DIR))
REDIS_URL = server_url("REDIS_URL", paths.redis_url(BASE_DIR))
MODEL_STORE = env.str("RECOMENGINE_MODEL_STORE", default=str(BASE_DIR / ".local" / "models"))
TRAINING_DIR = env.str("RECOMENGINE_TRAINING_DIR", default=str(BASE_DIR / ".local" / "training"))
TRAINING_MEMORY = env.str("RECOMENGINE_TRAINING_MEMORY", default="3GB")
if not re.fullmatch(r"[1-9][0-9]*(MB|GB)", TRAINING_MEMORY):
    raise ImproperlyConfigured(f"RECOMENGINE_TRAINING_MEMORY is an amount such as 3GB, not {TRAINING_MEMORY!r}.")
TRAINING_THREADS = env.int("RECOMENGINE_TRAINING_THREADS", default=2)
if TRAINING_THREADS < 1:
    raise ImproperlyConfigured("RECOMENGINE_TRAINING_THREADS is at least 1.")
IMPORT_STORE = Path(env.str("RECOMENGINE_IMPORT_STORE", default=str(BASE_DIR / ".local" / "imports")))
EVENT_ARCHIVE = env.str("RECOMENGINE_EVENT_ARCHIVE", default=str(BASE_DIR / ".local" / "archive"))
ERASURE_KEY = derived("erasures")
MAX_IMPORT_BYTES = env.int("RECOMENGINE_MAX_IMPORT_BYTES", default=2147483648)
IMPORT_NETWORKS = networks(env.list("RECOMENGINE_IMPORT_NETWORKS", default=[]))


def database(url: str) -> dict[str, Any]:
    """Django's settings for a libpq address (URL or key=value)."""
    parts: dict[str, Any] = dict(conninfo_to_dict(url))
    return {
        "ENGINE": "django_tenants.postgresql_backend",
        "NAME": parts.pop("dbname", "recomengine"),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": parts.pop("port", ""),
        "OPTIONS": {**parts, "pool": {"min_size": 1, "max_size": 10, "timeout": 30}},
    }


def broker(url: str) -> str:
    """The same Redis server in the form Celery's transport expects."""
    parts = urlsplit(url)
    if parts.scheme != "unix":
        return url
    return f"redis+socket://{parts.path}" + (f"?virtual_host={parts.query[3:]}" if parts.query[:3] == "db=" else "")


DATABASES = {"default": database(DATABASE_URL)}
DATABASE_ROUTERS = ["django_tenants.routers.TenantSyncRouter"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
CACHES = {"default": {"BACKEND": "django_redis.cache.RedisCache", "LOCATION": REDIS_URL, "KEY_PREFIX": "django"}}

TENANT_MODEL = "tenants.Tenant"
TENANT_DOMAIN_MODEL = "tenants.Domain"
TENANT_LIMIT_SET_CALLS = True

CELERY_BROKER_URL = broker(REDIS_URL)

# --- Applications ---------------------------------------------------------------------------------------------------
SHARED_APPS = [
    "tenants",  # before django_tenants, whose create_tenant asks for other things
    "unfold",  # before django_tenants, which has a list of tables for Django's own admin
    "django_tenants",
    "recomengine",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "django_cotton",
    "heroicons",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "rest_framework_simplejwt.token_blacklist",
]
TENANT_APPS = ["catalog", "events", "experiments", "recommendations", "widgets", "analytics"]
INSTALLED_APPS = [*SHARED_APPS, *TENANT_APPS]

MIDDLEWARE = [
    "recomengine.lib.requests.RequestIdMiddleware",
    "recomengine.refusals.AwayMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "recomengine.refusals.ApiTransport",
    "csp.middleware.CSPMiddleware",
    "recomengine.lib.admin_policy.AdminPolicy",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "tenants.session_guards.SessionLifetime",
    "tenants.session_guards.OperatorsSecondFactor",
]
ROOT_URLCONF = "recomengine.urls"
WSGI_APPLICATION = "recomengine.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "tenants.dashboard.shop_menu",
            ],
        },
    }
]

# --- People and security --------------------------------------------------------------------------------------------
AUTH_USER_MODEL = "tenants.User"
AUTH_PASSWORD_VALIDATORS = [
    {
        "NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email", "name")},
    },
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {
        "NAME": "django.contrib.auth.password_validation.CommonPasswordValidator",
        "OPTIONS": {"password_list_path": BASE_DIR / "tenants" / "common-passwords.txt.gz"},
    },
    {"NAME": "tenants.passwords.ContextWordsValidator"},
]
PASSWORD_HASHERS = ["tenants.hashing.BoundedArgon2"]
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
LOGIN_URL = reverse_lazy("account_login")
LOGIN_REDIRECT_URL = "/"
SIGN_UP_OPEN = env.bool("RECOMENGINE_SIGN_UP_OPEN", default=True)
SIGN_UPS_PER_HOUR = env.int("RECOMENGINE_SIGN_UPS_PER_HOUR", default=20 if PRODUCTION else 1000)  # from one address
if SIGN_UPS_PER_HOUR < 1:
    raise ImproperlyConfigured("RECOMENGINE_SIGN_UPS_PER_HOUR is at least 1; RECOMENGINE_SIGN_UP_OPEN closes sign-ups.")
TRUSTED_PROXIES = env.int("RECOMENGINE_TRUSTED_PROXIES", default=0)
ALLAUTH_TRUSTED_PROXY_COUNT = TRUSTED_PROXIES
ACCOUNT_ADAPTER = "tenants.accounts.AccountAdapter"
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*"]
ACCOUNT_EMAIL_VERIFICATION = "optional"
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_EMAIL_NOTIFICATIONS = True
ACCOUNT_CHANGE_EMAIL = True
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False  # the other sessions and tokens end, this one goes on
ACCOUNT_REAUTHENTICATION_REQUIRED = True
ACCOUNT_REAUTHENTICATION_TIMEOUT = 900
ACCOUNT_SESSION_REMEMBER = True  # the cookie lasts as long as the session may; `session_guards` ends it sooner
ACCOUNT_EMAIL_CONFIRMATION_EXPIRE_DAYS = 1
ACCOUNT_LOGIN_TIMEOUT = 600  # between the password and the second factor
ACCOUNT_LOGOUT_REDIRECT_URL = LOGIN_URL
ACCOUNT_FORMS = {
    "reauthenticate": "tenants.account_forms.ReauthenticateForm",
    "reset_password": "tenants.account_forms.ResetPasswordForm",
}
PASSWORD_RESET_TIMEOUT = 3600
ACCOUNT_DEFAULT_HTTP_PROTOCOL = urlsplit(DASHBOARD_URL).scheme
ACCOUNT_RATE_LIMITS = {
    "login": "100/m/ip",
    "login_failed": "20/m/ip,5/10m/key",  # five wrong passwords lock an account for ten minutes
    "signup": None,  # tenants.limits counts them, without a lock that many would wait for
    "reset_password": "20/m/ip,5/h/key",
}
SECOND_FACTOR_KEYS = [derived("second factors", key) for key in (SECRET_KEY, *SECRET_KEY_FALLBACKS)]
MFA_ADAPTER = "tenants.accounts.SecondFactorAdapter"
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "RecomEngine"
EMAIL = env.email_url("RECOMENGINE_EMAIL_URL", default="consolemail://")
vars().update(EMAIL)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("RECOMENGINE_EMAIL_FROM", default="RecomEngine <no-reply@localhost>")
SERVER_EMAIL = DEFAULT_FROM_EMAIL
SIMPLE_JWT = {
    "SIGNING_KEY": derived("tokens").hex(),
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=15),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=7),
    "ROTATE_REFRESH_TOKENS": True,
    "BLACKLIST_AFTER_ROTATION": True,
    "UPDATE_LAST_LOGIN": True,
    "ISSUER": "recomengine",
    "AUDIENCE": "recomengine-api",
}
HOUR = 3600
# Seconds without use, and in all, after which a session ends.
SESSION = (
    env.int("RECOMENGINE_SESSION_IDLE_HOURS", default=12) * HOUR,
    env.int("RECOMENGINE_SESSION_HOURS", default=168) * HOUR,
)
STAFF_SESSION = (
    env.int("RECOMENGINE_OPERATOR_SESSION_IDLE_HOURS", default=1) * HOUR,
    env.int("RECOMENGINE_OPERATOR_SESSION_HOURS", default=12) * HOUR,
)
OPERATORS_NEED_SECOND_FACTOR = env.bool("RECOMENGINE_OPERATORS_NEED_SECOND_FACTOR", default=PRODUCTION)
SESSION_COOKIE_AGE = SESSION[1]
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
TLS = urlsplit(DASHBOARD_URL).scheme == "https"  # ended by a proxy that sets X-Forwarded-Proto
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = TLS
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$", r"^api/"]  # the last are refused: `refusals.ApiTransport`
SECURE_HSTS_SECONDS = 31536000 if TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = TLS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if TLS else None
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "connect-src": [SELF, "{0.scheme}://{0.netloc}".format(urlsplit(API_URL))],  # the live stream of events
        "img-src": [SELF, "data:", "https:"],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    },
}

# --- Language, time, files ------------------------------------------------------------------------------------------
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "staticfiles" if PRODUCTION else None  # elsewhere files are served from where they lie
WHITENOISE_USE_FINDERS = not PRODUCTION
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if PRODUCTION
        else "django.contrib.staticfiles.storage.StaticFilesStorage"
    },
}
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
FILE_UPLOAD_HANDLERS = [
    "recomengine.lib.uploads.LimitedUpload",
    "django.core.files.uploadhandler.MemoryFileUploadHandler",
    "django.core.files.uploadhandler.TemporaryFileUploadHandler",
]

# --- API ------------------------------------------------------------------------------------------------------------
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["tenants.authentication.TenantAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["tenants.authentication.HasScope"],
    "DEFAULT_THROTTLE_CLASSES": ["tenants.authentication.WithinLimits"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_PAGINATION_CLASS": "recomengine.lib.api.CursorPages",
    "EXCEPTION_HANDLER": "recomengine.lib.api.problem_response",
    "UNAUTHENTICATED_USER": None,
    "PAGE_SIZE": 50,
}
SPECTACULAR_SETTINGS = {
    "TITLE": "RecomEngine API",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "DESCRIPTION": "Catalogue and behaviour in, recommendations out.",
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_NAME_OVERRIDES": {
        "TenantStatusEnum": "tenants.models.Tenant.Status",
        "ImportStatusEnum": "catalog.models.Import.Status",
        "RunStatusEnum": "recommendations.models.ModelRun.Status",
        "KeyStatusEnum": ["active", "expired", "revoked"],
        "KeyTypeEnum": ["pub", "ro", "rw"],
        "FormatEnum": ["csv", "jsonl", "merchant_xml", "merchant_tsv", "shopify"],
        "EventFormatEnum": ["csv", "jsonl"],
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "recomengine.lib.openapi.with_problems",
    ],
    "APPEND_COMPONENTS": {
        "securitySchemes": {
            "ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            "AccessToken": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"},
        }
    },
}

UNFOLD = {
    "SITE_TITLE": "RecomEngine operators",
    "SITE_HEADER": "RecomEngine",
    "DASHBOARD_CALLBACK": "tenants.admin.home.home",
}

# --- Logs -----------------------------------------------------------------------------------------------------------
LOGGING = logs.configured(env.str("RECOMENGINE_LOG_LEVEL", default="INFO"), as_json=PRODUCTION)
