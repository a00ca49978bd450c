from django.apps import AppConfig


class RecommendationsConfig(AppConfig):
    name = "recommendations"

    def ready(self) -> None:
        from events import elsewhere
        from recommendations import served

        elsewhere.register(elsewhere.Holding("slates", served.of_subject, served.erase))
