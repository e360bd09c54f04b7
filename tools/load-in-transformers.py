"""Loads checkpoint directories with Hugging Face transformers and says what the models compute, in double.

    python3 tools/load-in-transformers.py <token ids: JSON, sequences of one token more than a model is given> <directory>...

Prints a line of JSON for each: missing, unexpected and mismatched (names of weights, all empty if the directory is whole), logits
[sequences, tokens, vocabulary] and loss, the mean cross entropy of the next tokens in nats. `test/transformers.test.ts` runs it.
"""

import json
import sys
from tempfile import TemporaryDirectory

import torch
from transformers import AutoModelForCausalLM

from in_double import be_repeatable, everything_in_double


def load(directory):
    model, found = AutoModelForCausalLM.from_pretrained(directory, output_loading_info=True)
    problems = {key: sorted(map(str, found[f"{key}_keys"])) for key in ("missing", "unexpected", "mismatched")}
    # Tables of angles are made with a model: it is made once more where they are double.
    with TemporaryDirectory() as wide:
        model.double().save_pretrained(wide)
        eager = dict(attn_implementation="eager", experts_implementation="eager")
        with everything_in_double():
            return problems, AutoModelForCausalLM.from_pretrained(wide, dtype=torch.float64, **eager).eval()


def main(tokens, *directories):
    be_repeatable()
    ids = torch.tensor(json.loads(tokens))
    for directory in directories:
        problems, model = load(directory)
        with everything_in_double(), torch.no_grad():
            logits = model(input_ids=ids[:, :-1], use_cache=False).logits
            loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids[:, 1:].flatten())
        print(json.dumps({**problems, "logits": logits.tolist(), "loss": loss.item()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
