"""transformers computes norms, softmax and rotary angles in float32 whatever the dtype of the model; here it computes them in double."""

from contextlib import contextmanager

import torch
import transformers


@contextmanager
def everything_in_double():
    """Inside, code that asks torch for float32 by name gets float64."""
    saved = (torch.float32, torch.float, torch.Tensor.float, torch.get_default_dtype())
    torch.float32 = torch.float = torch.float64
    torch.Tensor.float = torch.Tensor.double
    torch.set_default_dtype(torch.float64)
    try:
        yield
    finally:
        torch.float32, torch.float, torch.Tensor.float = saved[:3]
        torch.set_default_dtype(saved[3])


def be_repeatable():
    """One thread, the same sums every time, and nothing said that nobody asked for."""
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
