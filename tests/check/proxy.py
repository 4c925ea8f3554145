"""A proxy between one node and Redis, that cuts and delays.

    with Proxy(path, redis_path) as proxy:      # content_redis unix:path
        proxy.cut()             # all connections, and no new ones
        proxy.mend()
        proxy.delay(0.05)       # what is sent from now on, in both directions
        proxy.delay(1.5, heard=True)    # only what a subscriber hears
        held = proxy.hold(1)    # what the node sends after its next command
        held.wait()             # something is held
        proxy.go_on()
        proxy.lose(b"text").wait()      # what Redis says with it, once

Order is kept, nothing is lost but with its connection.  It runs in a thread of
its own.
"""

import asyncio
import contextlib
import threading


class Proxy:
    def __init__(self, path, upstream):
        self.path, self.upstream = str(path), str(upstream)
        self.seconds, self.heard, self.is_cut = 0, False, False
        self.writers = set()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.ready = threading.Event()
        self.left = None                # until what comes is held
        self.held, self.released = threading.Event(), threading.Event()
        self.text, self.lost = None, threading.Event()

    def __enter__(self):
        self.thread.start()
        self.ready.wait()
        return self

    def __exit__(self, *_exception):
        self._call(self._close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    # what the test does

    def cut(self):
        self.is_cut = True
        self._call(self._close)

    def mend(self):
        self.is_cut = False

    def delay(self, seconds, heard=False):
        self.seconds, self.heard = seconds, heard

    def hold(self, left):
        """An event: something is held, after `left` more chunks."""
        self.held.clear()
        self.released.clear()
        self.left = left
        return self.held

    def go_on(self):
        self.left = None
        self.released.set()

    def lose(self, text):
        """An event: Redis has said something with the text in it, which is
        lost, and with it the connection."""
        self.lost.clear()
        self.text = text
        return self.lost

    # the loop

    def _call(self, function):
        done = threading.Event()

        def call():
            function()
            done.set()

        self.loop.call_soon_threadsafe(call)
        done.wait(5)

    def _close(self):
        for writer in list(self.writers):
            writer.transport.abort()

    def _run(self):
        asyncio.set_event_loop(self.loop)
        server = self.loop.run_until_complete(
            asyncio.start_unix_server(self._serve, self.path))
        self.ready.set()
        self.loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        self.loop.close()

    async def _serve(self, reader, writer):
        if self.is_cut:
            writer.transport.abort()
            return
        try:
            theirs, ours = await asyncio.open_unix_connection(self.upstream)
        except OSError:
            writer.transport.abort()
            return
        both, kind = {writer, ours}, set()
        self.writers |= both
        try:
            await asyncio.gather(self._pass(reader, ours, kind, False),
                                 self._pass(theirs, writer, kind, True))
        finally:
            self.writers -= both
            for one in both:
                one.transport.abort()

    async def _pass(self, reader, writer, kind, answers):
        """Until either end has gone; then the other one goes too."""
        queue, due = asyncio.Queue(), 0
        sender = asyncio.ensure_future(self._send(queue, writer))
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if not answers and b"SUBSCRIBE" in data.upper():
                    kind.add("subscriber")
                if not answers:
                    await self._held()
                if answers and self.text and self.text in data:
                    self.text = None
                    self.lost.set()
                    break
                delayed = not self.heard or (answers and kind)
                due = max(due, self.loop.time()
                          + (self.seconds if delayed else 0))
                queue.put_nowait((due, data))
        sender.cancel()
        writer.transport.abort()

    async def _held(self):
        if self.left is None:
            return
        if self.left:
            self.left -= 1
            return
        self.held.set()
        await self.loop.run_in_executor(None, self.released.wait)

    async def _send(self, queue, writer):
        with contextlib.suppress(OSError):
            while True:
                due, data = await queue.get()
                if (wait := due - self.loop.time()) > 0:
                    await asyncio.sleep(wait)
                writer.write(data)
                await writer.drain()
