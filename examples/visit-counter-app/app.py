"""A page that counts its visits in Redis."""

import os

import redis
from flask import Flask


def create_app(store: redis.Redis) -> Flask:
    """Build the application around a Redis client."""
    app = Flask(__name__)

    @app.get("/")
    def visit() -> str:
        return f"You are visitor number {store.incr('visits')}.\n"

    @app.get("/healthz")
    def healthz() -> str:
        # Alive without Redis too: a restart of this container would not bring Redis back.
        return "ok\n"

    @app.errorhandler(redis.ConnectionError)
    def counter_away(_error: redis.ConnectionError) -> tuple[str, int]:
        return "The counter is away for a moment.\n", 503

    return app


def connect() -> Flask:
    """Build the application for a server, with Redis where REDIS_URL says."""
    return create_app(redis.Redis.from_url(os.environ.get("REDIS_URL", "redis://localhost:6379")))
