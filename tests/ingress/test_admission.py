"""Turns: who begins at once, who waits, who is refused, and that no place is lost."""

import asyncio

import pytest

from gateway.ingress.admission import _BEGIN, _REFUSE, Admission
from gateway.model.limits import Limits


def admission(**limits):
    return Admission(Limits(**limits))


async def crowd(under, size):
    """Everyone who wants to begin in one turn, in the order of arrival."""
    waiting = [asyncio.create_task(under.wait()) for _ in range(size) if not under.enter()]
    await asyncio.sleep(0)
    return waiting


async def until(met):
    async with asyncio.timeout(5):
        while not met():  # noqa: ASYNC110 - what is waited for are turns of the loop
            await asyncio.sleep(0)


def begun(tasks):
    return [task.done() and task.result() for task in tasks]


async def test_a_few_begin_at_once_and_the_others_in_order_a_few_in_each_turn():
    under = admission()
    waiting = await crowd(under, 3 * _BEGIN)
    assert (under.under_way, under.waiting) == (_BEGIN, 2 * _BEGIN)
    await until(lambda: under.under_way == 2 * _BEGIN)
    await asyncio.sleep(0)
    assert begun(waiting) == [True] * _BEGIN + [False] * _BEGIN
    await until(lambda: not under.waiting)
    assert await asyncio.gather(*waiting) == [True] * (2 * _BEGIN)
    assert under.under_way == 3 * _BEGIN


async def test_nobody_overtakes_those_who_wait():
    under = admission(in_flight=1)
    assert under.enter()
    waiting = await crowd(under, 1)
    under.leave()
    assert not under.enter()
    assert await asyncio.gather(*waiting) == [True]


async def test_the_cap_holds_until_somebody_leaves():
    under = admission(in_flight=2, queue_time=30.0)
    waiting = await crowd(under, 3)
    await asyncio.sleep(0.12)  # the clock has been looked at meanwhile
    assert begun(waiting) == [False]
    under.leave()
    async with asyncio.timeout(0.04):  # and nobody waits for the next look at it
        assert await waiting[0]
    assert (under.under_way, under.waiting) == (2, 0)


async def test_who_waits_too_long_is_refused_and_the_place_is_not_taken():
    under = admission(in_flight=1, queue_time=0.01)
    waiting = await crowd(under, 3)
    assert await asyncio.gather(*waiting) == [False, False]
    assert (under.under_way, under.waiting) == (1, 0)
    under.leave()
    assert under.enter()


async def test_in_a_line_that_was_not_empty_for_so_long_nobody_waits_so_long():
    under = admission(in_flight=1, queue_time=0.3)
    (first,) = await crowd(under, 2)
    await asyncio.sleep(0.15)
    (second,) = await crowd(under, 1)
    assert not await first
    await asyncio.sleep(0)
    assert second.done()
    assert not await second
    (third,) = await crowd(under, 1)  # the line is a new one
    await asyncio.sleep(0.12)
    assert not third.done()
    under.leave()
    assert await third


async def test_a_turn_refuses_only_a_few():
    under = admission(in_flight=1, queue_time=0.001)
    waiting = await crowd(under, 1 + 3 * _REFUSE)
    await until(lambda: any(task.done() for task in waiting))
    assert sum(task.done() for task in waiting) == _REFUSE
    await until(lambda: not under.waiting)


async def test_requests_that_come_in_turns_of_their_own_never_wait():
    under = admission()
    for _ in range(4 * _BEGIN):
        assert under.enter()
        under.leave()
        await asyncio.sleep(0)


@pytest.mark.parametrize("granted", [False, True])
async def test_who_leaves_while_waiting_takes_no_place_along(granted):
    under = admission(in_flight=1)
    (waiting,) = await crowd(under, 2)
    if granted:
        under.leave()
        await until(lambda: under.under_way == 1)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert under.under_way == (0 if granted else 1)
    if not granted:
        under.leave()
    await asyncio.wait_for(under.quiet(), 1)
    assert under.enter()


async def test_quiet_waits_for_those_under_way():
    under = admission()
    assert under.enter()
    quiet = asyncio.create_task(under.quiet())
    await asyncio.sleep(0)
    assert not quiet.done()
    under.leave()
    await asyncio.wait_for(quiet, 1)
