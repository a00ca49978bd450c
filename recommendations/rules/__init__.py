"""Rules: what a merchant wants shown, whatever the strategies propose."""
