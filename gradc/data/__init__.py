"""Data in and out: files of columns or arrays, and which of them an input of a program takes."""

from __future__ import annotations

from gradc.data.binding import bind
from gradc.data.column import Data
from gradc.data.read import ENDINGS, read_data
from gradc.data.write import TARGETS, write_data

__all__ = ["ENDINGS", "TARGETS", "Data", "bind", "read_data", "write_data"]
