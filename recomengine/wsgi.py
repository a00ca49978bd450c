"""The dashboard's and the management pages' entry (port 3109)."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "recomengine.settings")
application = get_wsgi_application()
