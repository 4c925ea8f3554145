"""A proxy between one node and Redis, that cuts and delays.

    with Proxy(path, redis_path) as proxy:      # content_redis unix:path
        proxy.cut()             # all connections, and no new ones
        proxy.mend()
        proxy.delay(0.05)       # what is sent from now on, in both directions

Order is kept, nothing is lost but with its connection.  It runs in a thread of
its own.
"""

import asyncio
import contextlib
import threading


class Proxy:
    def __init__(self, path, upstream):
        self.path, self.upstream = str(path), str(upstream)
        self.seconds, self.is_cut = 0, False
        self.writers = set()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.ready = threading.Event()

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

    def delay(self, seconds):
        self.seconds = seconds

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
        both = {writer, ours}
        self.writers |= both
        try:
            await asyncio.gather(self._pass(reader, ours),
                                 self._pass(theirs, writer))
        finally:
            self.writers -= both
            for one in both:
                one.transport.abort()

    async def _pass(self, reader, writer):
        """Until either end has gone; then the other one goes too."""
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                if self.seconds:
                    await asyncio.sleep(self.seconds)
                writer.write(data)
                await writer.drain()
        writer.transport.abort()
