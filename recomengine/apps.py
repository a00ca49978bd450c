from django.apps import AppConfig


class RecomEngineConfig(AppConfig):
    name = "recomengine"

    def ready(self) -> None:
        from recomengine import celery  # noqa: F401 - tasks sent from here go to the configured broker
