"""Sync a file without a thread: the kernel does it and says through a descriptor when it is done.

Linux's asynchronous I/O (io_submit(2), command FDSYNC, Linux 4.18 and later) is fdatasync(2) in a work
queue of the kernel. A thread of ours would have to win the interpreter's lock back from a busy event
loop after every system call, which costs more than the calls themselves; this costs two calls on the
loop, and none of them waits. Container runtimes allow these calls by default, unlike io_uring's.
"""

import ctypes
import os
import platform
import struct
from typing import Self

# setup, destroy, getevents, submit; asm/unistd_64.h and asm-generic/unistd.h
_CALLS = {"x86_64": (206, 207, 208, 209), "aarch64": (0, 1, 4, 2)}
_IOCB = struct.Struct("<QIiHhIQQqQII")
_EVENT = struct.Struct("<QQqq")
_FDSYNC = 3
_NOTIFY = 1  # IOCB_FLAG_RESFD


class KernelSync:
    """One sync at a time. `descriptor` becomes readable when it is over; then `result` tells how it went."""

    def __init__(self, context: ctypes.c_ulong, descriptor: int) -> None:
        self.descriptor = descriptor
        self._context = context
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._request = ctypes.create_string_buffer(_IOCB.size)
        self._requests = (ctypes.c_void_p * 1)(ctypes.addressof(self._request))
        self._events = ctypes.create_string_buffer(_EVENT.size)

    @classmethod
    def open(cls) -> Self | None:
        """None where the system has no such thing; then a thread has to do."""
        if platform.system() != "Linux" or platform.machine() not in _CALLS or not hasattr(os, "eventfd"):
            return None
        context = ctypes.c_ulong(0)
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syscall(_CALLS[platform.machine()][0], 1, ctypes.byref(context)) != 0:
            return None
        return cls(context, os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC))

    def start(self, descriptor: int) -> None:
        """Begin to sync the file's data. Raises OSError where the kernel does not take it."""
        _IOCB.pack_into(self._request, 0, 0, 0, 0, _FDSYNC, 0, descriptor, 0, 0, 0, 0, _NOTIFY, self.descriptor)
        submit = _CALLS[platform.machine()][3]
        if self._libc.syscall(submit, self._context, 1, self._requests) != 1:
            raise OSError(ctypes.get_errno(), "the kernel does not take the sync")

    def result(self) -> None:
        """Take note of the sync that is over. Raises OSError if it failed."""
        os.eventfd_read(self.descriptor)
        take = _CALLS[platform.machine()][2]
        if self._libc.syscall(take, self._context, 1, 1, self._events, None) != 1:
            raise OSError(ctypes.get_errno(), "the kernel does not tell how the sync went")
        error = _EVENT.unpack(self._events.raw)[2]
        if error < 0:
            raise OSError(-error, os.strerror(-error))

    def close(self) -> None:
        """Give the context back; waits for a sync that is under way."""
        self._libc.syscall(_CALLS[platform.machine()][1], self._context)
        os.close(self.descriptor)
