import threading

import pytest
import torch

from bitket.learning.threads import one_thread


@pytest.fixture(autouse=True)
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_blocks_nest_and_restore_after_an_error():
    def fails():
        with one_thread():
            with one_thread():
                assert torch.get_num_threads() == 1
            assert torch.get_num_threads() == 1
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize("first_to_end", [0, 1])
def test_blocks_in_two_threads_restore_both(first_to_end):
    entered, end, after = [threading.Event() for _ in range(2)], [threading.Event() for _ in range(2)], {}

    def work(k):
        with one_thread():
            entered[k].set()
            assert end[k].wait(10)
        after[k] = torch.get_num_threads()

    workers = [threading.Thread(target=work, args=(k,)) for k in range(2)]
    for k in range(2):
        workers[k].start()
        assert entered[k].wait(10)
    for k in (first_to_end, 1 - first_to_end):
        end[k].set()
        workers[k].join()
    assert after == {0: 3, 1: 3}
    assert torch.get_num_threads() == 3
    fresh = []
    last = threading.Thread(target=lambda: fresh.append(torch.get_num_threads()))
    last.start()
    last.join()
    assert fresh == [3]
