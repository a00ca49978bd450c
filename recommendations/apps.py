from typing import Any

from django.apps import AppConfig

from tenants.types import TenantRef


class RecommendationsConfig(AppConfig):
    name = "recommendations"

    def ready(self) -> None:
        from events import elsewhere
        from recommendations import served

        elsewhere.register(elsewhere.Holding("slates", served.of_subject, served.erase))
        from catalog import items
        from recommendations import queueing

        def relate(tenant: TenantRef, **_: Any) -> None:
            queueing.relate_later(tenant)

        items.arrived.connect(relate, weak=False, dispatch_uid="recommendations.relate")
