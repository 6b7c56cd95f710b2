"""A small encoder that reads pairs of questions, and turns together with their conversation (extra `local`)."""

from __future__ import annotations

from langchain_redis_memory.language.reader.local_reader import LocalReader
from langchain_redis_memory.language.reader.reading_audience import AudienceReader, ReadingAudience
from langchain_redis_memory.language.reader.reading_classifier import ReadingClassifier, TurnReader

__all__ = ["AudienceReader", "LocalReader", "ReadingAudience", "ReadingClassifier", "TurnReader"]
