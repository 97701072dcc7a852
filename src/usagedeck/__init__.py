"""usagedeck: the Developers page for any metered API. Usage, analytics, request log and export; self-hosted and exact."""

__version__ = "0.1.0"
