"""When the batched reads of a request start: in waves, each as wide as it can be.

A wave starts once no resolver gets any further without it, and the next one not before all reads
of this one are done. So how many statements an operation takes depends on its shape, and neither
on the number of rows nor on which statement happens to be answered first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

QUIET_TICKS = 12
"""For so many rounds of the event loop nobody has to ask for anything before a wave starts.

What a read has given passes through a few rounds before it reaches the resolvers below: one or two
for each list on the way. Too few here would cost statements, and never an answer.
"""

_reading: ContextVar[bool] = ContextVar("reading", default=False)


class Waves:
    """The reads of one request."""

    def __init__(self) -> None:
        self._wanted: dict[Loader[Any, Any], None] = {}
        self._under_way: set[asyncio.Task[None]] = set()
        self._quiet = 0
        self._watching = False

    def want(self, loader: Loader[Any, Any]) -> None:
        """Takes a loader into the next wave. Raises RuntimeError within a read, which would wait
        for itself.
        """
        if _reading.get():
            raise RuntimeError("A read of a loader can't wait for another loader.")
        self._wanted[loader] = None
        self._quiet = 0
        self._watch()

    def stop(self) -> None:
        """Ends the reads of this wave, and begins no further one."""
        self._wanted.clear()
        for task in self._under_way:
            task.cancel()

    def _watch(self) -> None:
        if not self._watching and not self._under_way:
            self._watching = True
            asyncio.get_running_loop().call_soon(self._tick)

    def _tick(self) -> None:
        self._quiet += 1
        if self._quiet <= QUIET_TICKS:
            asyncio.get_running_loop().call_soon(self._tick)
            return
        self._watching = False
        wanted, self._wanted = self._wanted, {}
        for loader in wanted:
            task = asyncio.get_running_loop().create_task(loader.read())
            self._under_way.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._quiet = 0
        if self._wanted:
            self._watch()


class Loader(Generic[K, V]):
    """One kind of read: values by key, each read once, and all that are wanted together.

    `load` reads the values of keys, in their order. Each waiter has a future of its own, so that
    one can be cancelled without the others.
    """

    def __init__(self, waves: Waves, load: Callable[[list[K]], Awaitable[Sequence[V]]]) -> None:
        self._waves = waves
        self._load = load
        self._values: dict[K, V] = {}
        self._waiting: dict[K, list[asyncio.Future[V]]] = {}
        self._wanted: list[K] = []

    def load(self, key: K) -> asyncio.Future[V]:
        """The value of a key. Raises what its read raises."""
        waiter: asyncio.Future[V] = asyncio.get_running_loop().create_future()
        if key in self._values:
            waiter.set_result(self._values[key])
            return waiter
        if key not in self._waiting:
            self._waves.want(self)
            self._waiting[key] = []
            self._wanted.append(key)
        self._waiting[key].append(waiter)
        return waiter

    def prime(self, key: K, value: V) -> None:
        """Takes a value that another read has given; nobody who waits for it now is woken."""
        self._values.setdefault(key, value)

    async def load_many(self, keys: Iterable[K]) -> list[V]:
        """The values of keys, in their order."""
        return list(await asyncio.gather(*map(self.load, keys)))

    async def read(self) -> None:
        """Reads what is wanted, in one go, and hands it out."""
        _reading.set(True)
        keys, self._wanted = self._wanted, []
        try:
            read = dict(zip(keys, await self._load(keys), strict=True))
        except Exception as error:
            for waiter in self._waiters(keys):
                waiter.set_exception(error)
            return
        self._values |= read
        for key, value in read.items():
            for waiter in self._waiters([key]):
                waiter.set_result(value)

    def _waiters(self, keys: Iterable[K]) -> list[asyncio.Future[V]]:
        """Those who wait for keys and were not cancelled; nobody waits for them any more."""
        return [one for key in keys for one in self._waiting.pop(key) if not one.done()]
