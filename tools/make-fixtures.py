"""Writes test/fixtures: tiny random models with the logits, loss and gradients Hugging Face transformers computes for them.

Run from the project root (the files it writes are kept in git, so only a change here needs a run):

    pip install torch transformers tokenizers safetensors numpy
    OMP_NUM_THREADS=1 python3 tools/make-fixtures.py             # all of them
    OMP_NUM_THREADS=1 python3 tools/make-fixtures.py trained     # mixtral-trained alone
    OMP_NUM_THREADS=1 python3 tools/make-fixtures.py gemma       # a model alone

On another CPU the last digits of reference.safetensors change, and nothing else does.

Written with transformers 5.23, torch 2.15, tokenizers 0.23. Everything is seeded, on the CPU and on one thread, with eager
attention and no dropout. Norm gains and biases are random too (not 1 and 0), so that a missing one shows.

test/fixtures/<model>/, <model> one of gpt2, deepseek-v2, deepseek-v3, gemma, gemma3, llama, llama-mqa, mistral, mixtral,
nemotron, qwen2, qwen2-moe, qwen3, qwen3-moe:
  config.json            as save_pretrained writes it
  config-v4.json         llama-mqa only: the same config as transformers 4 wrote it (rope_theta, rope_scaling, torch_dtype)
  model.safetensors      the weights, F64, as save_pretrained writes it (a tied LM head is not in it)
  reference.safetensors  input_ids      I64 [2, 12]
                         logits         F64 [2, 12, vocabulary]
                         loss           F64 [], mean cross entropy of predicting the next token: 2 x 11 predictions, in nats
                         grad.<name>    F64, the gradient of that loss, for each parameter of model.safetensors
  generation.json        {cases: [{prompt, tokens, margin}]}: greedy continuations. A forward pass sees the last `positions`
                         tokens, the first of them at position 0. margin: the smallest distance between the best and the
                         second logit on the way, as a share of the largest logit's size
  preference.safetensors llama only: direct preference optimization of pairs of completions, each of which was drawn at random
                         tokens         I64 [pairs, 2, longest], prompt and completion of the chosen and the rejected, then -1
                         prompts        I64 [pairs], tokens of the prompt of both
                         reference      F64 [pairs, 2], log-probabilities of the completions by a model of 0.9 times the weights
                         log_probs      F64 [pairs, 2], those by the model
                         beta           F64 []
                         loss           F64 [], the mean over the pairs
                         grad.<name>    F64, the gradient of that loss
  routing.safetensors    qwen3-moe only: losses of routers, of the input_ids of reference.safetensors without the last token
                         aux_loss       F64 [], transformers' load_balancing_loss_func of each sequence and layer by itself:
                                        the mean over sequences, summed over layers
                         z_loss         F64 [], the mean over tokens of the squared log-sum-exp of router logits, summed over layers
                         aux_weight, z_weight  F64 []
                         loss           F64 [], mean cross entropy + aux_weight x aux_loss + z_weight x z_loss
                         load           F64 [layers with experts, experts], tokens of each expert
                         grad.<name>    F64, the gradient of that loss

test/fixtures/llama-sharded-bf16/:
  config.json, model-0000k-of-0000n.safetensors (BF16), model.safetensors.index.json
  reference.safetensors  input_ids and logits as above, computed in double from the rounded weights

test/fixtures/mixtral-trained/: a model before training, and what some steps of PyTorch's AdamW make of it
  config.json, model.safetensors  before training, as above
  training.json          {seqLen, globalBatch, steps, learningRate, betas, epsilon, weightDecay, clipNorm, losses, gradNorms}: every
                         step takes all sequences, at the same rate, and matrices alone decay; loss and norm of every step, the norm
                         before clipping
  trained.safetensors    tokens         I64 [globalBatch x seqLen + 1]: sequence w is the seqLen + 1 tokens from w x seqLen on
                         logits         F64 [globalBatch, seqLen, vocabulary] after the last step, loss F64 []: as above
                         trained.<name> F64, the weights after the last step, for each parameter of model.safetensors

test/fixtures/tokenizer/:
  tokenizer.json         byte-level BPE of about 300 tokens, <|endoftext|> is the last one
  reference.json         {vocabSize, endOfText, cases: [{text, ids, decoded}]}

test/fixtures/sampling.json: what transformers' own chain of logits processors leaves of some logits
  logits                 by name: f64, with equal ones among them
  cases                  [{logits, temperature, topK, topP, minP, kept, probabilities}]: kept tokens and their probabilities;
                         a setting that is null is not in the chain

transformers computes norms, softmax and rotary angles in float32 whatever the dtype of the model, which moves these logits
by up to 3e-6. Here float32 means double while a model is built and run (see `everything_in_double`), so that the figures
hold to about 1e-14. Each model is checked for that: its gradient must agree with a central difference of its loss.
"""

import itertools
import json
import math
import random
import shutil
import sys
import zlib
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers.core_model_loading import revert_weight_conversion
from transformers.models.mixtral.modeling_mixtral import load_balancing_loss_func
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from in_double import be_repeatable, everything_in_double

ROOT = Path(__file__).resolve().parent.parent / "test" / "fixtures"
BATCH, LENGTH = 2, 12

# Sizes all families share: two layers, four query heads. The rest differs so that no two sizes are equal by accident.
COMMON = dict(
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=4,
    max_position_embeddings=64,
    bos_token_id=1,
    eos_token_id=2,
    attn_implementation="eager",
)

LLAMA3_ROPE = dict(
    rope_type="llama3",
    rope_theta=10000.0,
    factor=8.0,
    low_freq_factor=1.0,
    high_freq_factor=4.0,
    # With 4 frequencies (head_dim 8) the first is kept, the second interpolated and the others divided by the factor.
    original_max_position_embeddings=128,
)

LATENT = dict(COMMON, num_key_value_heads=4, kv_lora_rank=12, qk_nope_head_dim=6, qk_rope_head_dim=4, v_head_dim=8)

# Of two frequencies the first is kept and the second slowed; scores are sharpened.
YARN_ROPE = dict(
    rope_type="yarn",
    rope_theta=100.0,
    factor=4.0,
    original_max_position_embeddings=16,
    beta_fast=2.0,
    beta_slow=1.0,
    mscale=1.0,
    mscale_all_dim=1.0,
)


def configs():
    """One config a fixture: name -> (config class, values)."""
    return {
        "gpt2": (
            transformers.GPT2Config,
            dict(
                vocab_size=50,
                n_embd=16,
                n_layer=2,
                n_head=4,
                n_inner=40,
                n_positions=32,
                bos_token_id=49,
                eos_token_id=49,
                attn_implementation="eager",
            ),
        ),
        # Its first layer of two has an MLP; queries are made of the layer's input.
        "deepseek-v2": (
            transformers.DeepseekV2Config,
            dict(
                LATENT,
                vocab_size=45,
                intermediate_size=20,
                q_lora_rank=None,
                n_routed_experts=6,
                num_experts_per_tok=2,
                moe_intermediate_size=8,
                n_shared_experts=2,
                first_k_dense_replace=1,
                n_group=3,
                topk_group=2,
                topk_method="group_limited_greedy",
                routed_scaling_factor=1.7,
            ),
        ),
        "deepseek-v3": (
            transformers.DeepseekV3Config,
            dict(
                LATENT,
                vocab_size=47,
                num_hidden_layers=3,
                intermediate_size=20,
                q_lora_rank=10,
                n_routed_experts=8,
                num_experts_per_tok=3,
                moe_intermediate_size=4,
                n_shared_experts=1,
                first_k_dense_replace=1,
                n_group=4,
                topk_group=2,
                routed_scaling_factor=2.5,
                num_mtp_layers=0,
                rope_parameters=YARN_ROPE,
            ),
        ),
        "gemma": (
            transformers.GemmaConfig,
            dict(COMMON, vocab_size=46, intermediate_size=24, num_key_value_heads=1, head_dim=6),
        ),
        # Its second layer of three sees all, and turns by other angles.
        "gemma3": (
            transformers.Gemma3TextConfig,
            dict(
                COMMON,
                vocab_size=38,
                # Its embedding gives that token no gradient.
                pad_token_id=None,
                num_hidden_layers=3,
                intermediate_size=20,
                num_key_value_heads=2,
                head_dim=6,
                query_pre_attn_scalar=10,
                sliding_window=5,
                layer_types=["sliding_attention", "full_attention", "sliding_attention"],
                rope_parameters=dict(
                    sliding_attention=dict(rope_type="default", rope_theta=100.0),
                    full_attention=dict(rope_type="linear", rope_theta=10000.0, factor=4.0),
                ),
            ),
        ),
        "llama": (
            transformers.LlamaConfig,
            dict(COMMON, vocab_size=48, intermediate_size=28, num_key_value_heads=2, rms_norm_eps=1e-5),
        ),
        "llama-mqa": (
            transformers.LlamaConfig,
            dict(
                COMMON,
                vocab_size=37,
                intermediate_size=24,
                num_key_value_heads=1,
                head_dim=8,
                tie_word_embeddings=True,
                max_position_embeddings=1024,
                rope_parameters=LLAMA3_ROPE,
            ),
        ),
        "mistral": (
            transformers.MistralConfig,
            dict(
                COMMON,
                vocab_size=40,
                intermediate_size=32,
                num_key_value_heads=2,
                sliding_window=5,
                rope_parameters=dict(rope_type="default", rope_theta=5000.0),
            ),
        ),
        "mixtral": (
            transformers.MixtralConfig,
            dict(
                COMMON,
                vocab_size=43,
                intermediate_size=12,
                num_key_value_heads=2,
                num_local_experts=5,
                num_experts_per_tok=2,
                sliding_window=7,
            ),
        ),
        "nemotron": (
            transformers.NemotronConfig,
            dict(COMMON, vocab_size=36, intermediate_size=24, num_key_value_heads=2, head_dim=8),
        ),
        "qwen2": (
            transformers.Qwen2Config,
            dict(COMMON, vocab_size=41, intermediate_size=24, num_key_value_heads=2, tie_word_embeddings=True),
        ),
        "qwen2-moe": (
            transformers.Qwen2MoeConfig,
            dict(
                COMMON,
                vocab_size=39,
                intermediate_size=20,
                num_key_value_heads=2,
                num_experts=6,
                num_experts_per_tok=3,
                moe_intermediate_size=8,
                shared_expert_intermediate_size=12,
            ),
        ),
        "qwen3": (
            transformers.Qwen3Config,
            dict(
                COMMON,
                vocab_size=44,
                intermediate_size=24,
                num_key_value_heads=2,
                head_dim=6,
                rope_parameters=dict(rope_type="default", rope_theta=1000000.0),
            ),
        ),
        # Its second layer of three has an MLP.
        "qwen3-moe": (
            transformers.Qwen3MoeConfig,
            dict(
                COMMON,
                vocab_size=42,
                num_hidden_layers=3,
                intermediate_size=24,
                num_key_value_heads=2,
                head_dim=6,
                num_experts=8,
                num_experts_per_tok=4,
                moe_intermediate_size=8,
                norm_topk_prob=True,
                mlp_only_layers=[1],
            ),
        ),
    }


def build(name, config, rounded_to=None):
    """A model in double with random weights (rounded to another dtype first, if given), and its generator."""
    generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
    model = transformers.AutoModelForCausalLM.from_config(config, experts_implementation="eager").double().eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            value = torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.3
            if parameter.ndim == 1:
                value += parameter  # as models are made: gains 1 (0 where 1 is added to them), biases 0
            parameter.copy_(value.to(rounded_to).double() if rounded_to else value)
        for key, buffer in model.named_buffers():
            if key.endswith("e_score_correction_bias"):
                buffer.copy_(torch.randn(buffer.shape, generator=generator, dtype=torch.float64) * 0.3)
    return model, generator


def loss_of(model, input_ids):
    logits = model(input_ids=input_ids, use_cache=False).logits
    loss = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), input_ids[:, 1:].flatten())
    return logits, loss


def check_gradients(name, model, input_ids, generator):
    """Compares the gradients with central differences of the loss; float32 anywhere inside would miss by 1e-3."""
    step = 1e-6
    for key, parameter in model.named_parameters():
        direction = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        start = parameter.detach().clone()
        ends = []
        with torch.no_grad():
            for sign in (1, -1):
                parameter.copy_(start + sign * step * direction)
                ends.append(loss_of(model, input_ids)[1].item())
            parameter.copy_(start)
        measured = (ends[0] - ends[1]) / (2 * step)
        expected = (parameter.grad * direction).sum().item()
        if abs(measured - expected) > 1e-7 * (1 + abs(expected)):
            raise SystemExit(f"{name}: the gradient of {key} is {expected} but the loss changes by {measured}")


def as_saved(model, tensors):
    """By the names of model.safetensors, where each expert has tensors of its own."""
    return revert_weight_conversion(model, {key: tensor.clone() for key, tensor in tensors.items()})


def write_model(name, config):
    folder = fresh(name)
    with everything_in_double():
        model, generator = build(name, config)
        input_ids = torch.randint(0, config.vocab_size, (BATCH, LENGTH), generator=generator)
        logits, loss = loss_of(model, input_ids)
        loss.backward()
        check_gradients(name, model, input_ids, generator)
        reference = {"input_ids": input_ids, "logits": logits.detach(), "loss": loss.detach()}
        for key, gradient in as_saved(model, {key: each.grad for key, each in model.named_parameters()}).items():
            reference[f"grad.{key}"] = gradient
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    save_file({key: value.contiguous() for key, value in reference.items()}, folder / "reference.safetensors")
    print(f"{name}: {len(reference) - 3} parameters, loss {loss.item():.4f}, log vocabulary {math.log(config.vocab_size):.4f}")


TRAINING = dict(
    seqLen=10, globalBatch=4, steps=6, learningRate=1e-2, betas=[0.9, 0.95], epsilon=1e-8, weightDecay=0.1, clipNorm=1.0
)


def write_trained(name):
    config = transformers.MixtralConfig(
        **COMMON,
        vocab_size=23,
        intermediate_size=8,
        num_key_value_heads=2,
        num_local_experts=4,
        num_experts_per_tok=2,
        sliding_window=7,
    )
    folder = fresh(name)
    length, sequences = TRAINING["seqLen"], TRAINING["globalBatch"]
    losses, norms = [], []
    with everything_in_double():
        model, generator = build(name, config)
        model.save_pretrained(folder)
        tokens = torch.randint(0, config.vocab_size, (sequences * length + 1,), generator=generator)
        rows = torch.stack([tokens[at : at + length + 1] for at in range(0, sequences * length, length)])
        every = list(model.parameters())
        matrices = [each for each in every if each.ndim > 1]
        optimizer = torch.optim.AdamW(
            [
                dict(params=matrices, weight_decay=TRAINING["weightDecay"]),
                dict(params=[each for each in every if each.ndim == 1], weight_decay=0.0),
            ],
            lr=TRAINING["learningRate"],
            betas=tuple(TRAINING["betas"]),
            eps=TRAINING["epsilon"],
        )

        def next_token_loss():
            logits = model(input_ids=rows[:, :-1], use_cache=False).logits
            return logits, torch.nn.functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())

        for _ in range(TRAINING["steps"]):
            optimizer.zero_grad()
            loss = next_token_loss()[1]
            loss.backward()
            losses.append(loss.item())
            norms.append(torch.nn.utils.clip_grad_norm_(every, TRAINING["clipNorm"]).item())
            optimizer.step()
        with torch.no_grad():
            logits, loss = next_token_loss()
    (folder / "generation_config.json").unlink(missing_ok=True)
    saved = {"tokens": tokens, "logits": logits, "loss": loss}
    for key, value in as_saved(model, {key: each.detach() for key, each in model.named_parameters()}).items():
        saved[f"trained.{key}"] = value
    save_file({key: value.contiguous() for key, value in saved.items()}, folder / "trained.safetensors")
    write_lists(folder / "training.json", {**TRAINING, "losses": losses, "gradNorms": norms})
    print(f"{name}: loss {losses[0]:.4f}, after {len(losses)} steps {loss.item():.4f}, norms {norms[0]:.2f} to {norms[-1]:.2f}")


# Tokens of the prompt, of the chosen and of the rejected completion.
PAIRS = [(3, 5, 2), (1, 1, 4), (6, 3, 3), (2, 7, 6), (5, 1, 1)]
BETA = 0.3


def completions_log_probs(model, tokens, prompts):
    """[pairs, 2]: each completion alone in its batch, so that there is nothing to pad or mask."""
    rows = []
    for pair, prompt in zip(tokens, prompts):
        for ids in pair:
            logits = model(input_ids=ids[None], use_cache=False).logits[0, :-1]
            of_targets = logits.log_softmax(-1).gather(1, ids[1:, None])[:, 0]
            rows.append(of_targets[prompt - 1 :].sum())
    return torch.stack(rows).reshape(-1, 2)


def write_preference(name):
    generator = torch.Generator().manual_seed(zlib.crc32(f"{name} preference".encode()))
    with everything_in_double():
        model = transformers.AutoModelForCausalLM.from_pretrained(
            ROOT / name, dtype=torch.float64, attn_implementation="eager"
        ).eval()
        frozen = transformers.AutoModelForCausalLM.from_pretrained(
            ROOT / name, dtype=torch.float64, attn_implementation="eager"
        ).eval()
        tokens = []
        for prompt, chosen, rejected in PAIRS:
            start = torch.randint(0, model.config.vocab_size, (prompt,), generator=generator)
            ends = [torch.randint(0, model.config.vocab_size, (n,), generator=generator) for n in (chosen, rejected)]
            tokens.append([torch.cat([start, end]) for end in ends])
        prompts = [prompt for prompt, _, _ in PAIRS]
        with torch.no_grad():
            for parameter in frozen.parameters():
                parameter.mul_(0.9)
            reference = completions_log_probs(frozen, tokens, prompts)
        log_probs = completions_log_probs(model, tokens, prompts)
        margins = (log_probs - reference)[:, 0] - (log_probs - reference)[:, 1]
        loss = -torch.nn.functional.logsigmoid(BETA * margins).mean()
        loss.backward()
    longest = max(len(ids) for pair in tokens for ids in pair)
    padded = [[torch.nn.functional.pad(ids, (0, longest - len(ids)), value=-1) for ids in pair] for pair in tokens]
    saved = {
        "tokens": torch.stack([torch.stack(pair) for pair in padded]),
        "prompts": torch.tensor(prompts),
        "reference": reference,
        "log_probs": log_probs.detach(),
        "beta": torch.tensor(BETA, dtype=torch.float64),
        "loss": loss.detach(),
        **{f"grad.{key}": parameter.grad for key, parameter in model.named_parameters()},
    }
    save_file({key: value.contiguous() for key, value in saved.items()}, ROOT / name / "preference.safetensors")
    print(f"{name}: {len(PAIRS)} pairs, loss {loss.item():.4f}, log 2 {math.log(2):.4f}")


def write_routing(name, aux_weight=0.7, z_weight=0.2):
    with everything_in_double():
        model = transformers.AutoModelForCausalLM.from_pretrained(
            ROOT / name, dtype=torch.float64, attn_implementation="eager", experts_implementation="eager"
        ).eval()
        config = model.config
        experts, chosen = config.num_experts, config.num_experts_per_tok
        input_ids = load_file(ROOT / name / "reference.safetensors")["input_ids"]
        inputs, targets = input_ids[:, :-1], input_ids[:, 1:]
        found = []

        def note(router, given, _):
            found.append(torch.nn.functional.linear(given[0], router.weight).reshape(*inputs.shape, experts))

        for key, module in model.named_modules():
            if key.endswith("mlp.gate"):
                module.register_forward_hook(note)
        logits = model(input_ids=inputs, use_cache=False).logits
        aux_loss = sum(
            torch.stack([load_balancing_loss_func((row,), experts, chosen) for row in layer]).mean() for layer in found
        )
        z_loss = sum(layer.logsumexp(-1).square().mean() for layer in found)
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        loss = loss + aux_weight * aux_loss + z_weight * z_loss
        loss.backward()
        load = [torch.bincount(layer.topk(chosen).indices.flatten(), minlength=experts).double() for layer in found]
        saved = {
            "aux_loss": aux_loss.detach(),
            "z_loss": z_loss.detach(),
            "aux_weight": torch.tensor(aux_weight),
            "z_weight": torch.tensor(z_weight),
            "loss": loss.detach(),
            "load": torch.stack(load),
        }
        for key, gradient in as_saved(model, {key: each.grad for key, each in model.named_parameters()}).items():
            saved[f"grad.{key}"] = gradient
    save_file({key: value.contiguous() for key, value in saved.items()}, ROOT / name / "routing.safetensors")
    print(f"{name}: {len(found)} routers, balance loss {aux_loss.item():.4f}, z-loss {z_loss.item():.4f}")


# Greedy continuations: [tokens of the prompt, or how many fewer than all positions; new tokens]. The second is longer than
# mistral's sliding window, the third goes on beyond the last position.
GENERATIONS = [(3, 24), (17, 28), (-9, 24)]
# The llama-mqa model has 1,024 positions: longer than the 128 its rotary angles were made for, in place of all.
LONGEST = 140
# Rounding in f32 moves logits by less than 1e-5 of the largest: with this margin its choices are the same.
LEAST_MARGIN = 1e-3
LEAST_DIFFERENT = 6


def continue_greedily(model, prompt, new_tokens, positions):
    """The likeliest tokens, and the smallest margin between the two likeliest."""
    ids, margin = list(prompt), math.inf
    for _ in range(new_tokens):
        with torch.no_grad():
            logits = model(input_ids=torch.tensor([ids[-positions:]]), use_cache=False).logits[0, -1]
        best, second = torch.topk(logits, 2).values.tolist()
        margin = min(margin, (best - second) / logits.abs().max().item())
        ids.append(logits.argmax().item())
    return ids[len(prompt) :], margin


def generate_with_transformers(model, prompt, new_tokens):
    """The same by transformers' own loop, for as long as it has positions."""
    inputs = torch.tensor([prompt])
    # No token ends the text, so that every one has its full length.
    settings = transformers.GenerationConfig(do_sample=False, max_new_tokens=new_tokens, eos_token_id=None, pad_token_id=0)
    model.generation_config.eos_token_id = None
    return model.generate(inputs, attention_mask=torch.ones_like(inputs), generation_config=settings)[0, len(prompt) :].tolist()


def write_generation(name, config):
    """Prompts are drawn until every choice on the way is clear and the text is not one token again and again."""
    positions = config.max_position_embeddings
    generator = torch.Generator().manual_seed(zlib.crc32(f"{name} generation".encode()))
    cases, drawn = [], 0
    with everything_in_double():
        model, _ = build(name, config)
        for length, new_tokens in GENERATIONS:
            length = min(LONGEST, positions + length) if length < 0 else length
            while True:
                drawn += 1
                prompt = torch.randint(0, config.vocab_size, (length,), generator=generator).tolist()
                tokens, margin = continue_greedily(model, prompt, new_tokens, positions)
                if margin > LEAST_MARGIN and len(set(tokens)) >= LEAST_DIFFERENT:
                    break
            within = min(new_tokens, positions - length + 1)
            if generate_with_transformers(model, prompt, within) != tokens[:within]:
                raise SystemExit(f"{name}: a pass over the whole window and transformers' generate differ")
            cases.append({"prompt": prompt, "tokens": tokens, "margin": margin})
    write_lists(ROOT / name / "generation.json", {"cases": cases})
    print(f"{name}: {len(cases)} texts of {drawn} drawn, margin {min(case['margin'] for case in cases):.1e}")


def write_sampling():
    """Logits in, what transformers samples from out: the chain of processors is the one that its `generate` makes."""
    generator = torch.Generator().manual_seed(zlib.crc32(b"sampling"))
    rows = {
        "random": torch.randn(24, generator=generator, dtype=torch.float64) * 2,
        "flat": torch.randn(24, generator=generator, dtype=torch.float64) * 0.05,
        "peaked": torch.randn(24, generator=generator, dtype=torch.float64) * 12,
        "ties": torch.tensor([1.0, 3.0, 2.0, 3.0, 1.0, 2.0, 2.0, 0.0, 0.0, 3.0, 1.0, -4.0], dtype=torch.float64),
        "equal": torch.zeros(8, dtype=torch.float64),
    }
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**COMMON, vocab_size=8, intermediate_size=4))
    grid = list(
        itertools.product([0.3, 0.8, 1.0, 1.9], [None, 1, 3, 7, 100], [None, 0.0, 0.25, 0.5, 0.9, 1.0], [None, 0.0, 0.05, 0.5, 1.0])
    )
    choose = random.Random(0)
    cases = []
    for name, logits in rows.items():
        for temperature, top_k, top_p, min_p in choose.sample(grid, 40):
            settings = transformers.GenerationConfig(
                do_sample=True, temperature=temperature, top_k=top_k or 0, top_p=1.0 if top_p is None else top_p, min_p=min_p
            )
            with everything_in_double():
                chain = model._get_logits_processor(settings, input_ids_seq_length=1)
                probabilities = chain(torch.zeros(1, 1, dtype=torch.long), logits[None]).softmax(-1)[0]
            kept = [token for token, p in enumerate(probabilities.tolist()) if p > 0]
            cases.append(
                {
                    "logits": name,
                    "temperature": temperature,
                    "topK": top_k,
                    "topP": top_p,
                    "minP": min_p,
                    "kept": kept,
                    "probabilities": probabilities[kept].tolist(),
                }
            )
    write_lists(ROOT / "sampling.json", {"logits": {name: row.tolist() for name, row in rows.items()}, "cases": cases})
    print(f"sampling: {len(cases)} cases")


def write_lists(path, value):
    """JSON with a line a case."""
    lines = []
    for key, part in value.items():
        if key == "cases":
            lines.append('"cases": [\n' + ",\n".join(json.dumps(case) for case in part) + "\n]")
        else:
            lines.append(f"{json.dumps(key)}: {json.dumps(part)}")
    path.write_text("{" + ",\n".join(lines) + "}\n")


def write_v4_config(name):
    """The same config in the form transformers 4 wrote, read back to be sure that it means the same."""
    folder = ROOT / name
    config = json.loads((folder / "config.json").read_text())
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = rope
    config["torch_dtype"] = config.pop("dtype")
    config["transformers_version"] = "4.57.0"
    (folder / "config-v4.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")
    reread = transformers.LlamaConfig.from_dict(config)
    if reread.rope_parameters != transformers.LlamaConfig.from_pretrained(folder).rope_parameters:
        raise SystemExit(f"{name}: config-v4.json does not mean what config.json means")


def write_sharded(name, config):
    folder = fresh(name)
    with everything_in_double():
        model, generator = build(name, config, rounded_to=torch.bfloat16)
        input_ids = torch.randint(0, config.vocab_size, (BATCH, LENGTH), generator=generator)
        with torch.no_grad():
            logits = loss_of(model, input_ids)[0]
    model.to(torch.bfloat16).save_pretrained(folder, max_shard_size="6KB")
    (folder / "generation_config.json").unlink(missing_ok=True)
    save_file({"input_ids": input_ids, "logits": logits.contiguous()}, folder / "reference.safetensors")
    print(f"{name}: {len(list(folder.glob('model-*.safetensors')))} shards")


CORPUS = [
    "A river does not hurry, and yet everything it carries arrives. The stones are rounded, the valley is cut, and the "
    "water that began in the hills is, in the end, the same water that reaches the sea.",
    "When the work is split over many hands, somebody has to say who does what, who waits for whom, and who carries the "
    "pieces from one place to another; the work itself is the smaller part.",
    "for (let i = 0; i < 10; i += 1) {\n  total += values[i];\n}\n",
]

CASES = [
    "",
    " ",
    "a",
    "The river carries the work to the sea.",
    "  two spaces, a tab\tand 123 numbers 3.14!",
    "one line\nanother line\n\n\nand a third\r\n",
    "it's what they'll say: don't",
    "na\u00efve caf\u00e9, Stra\u00dfe, \u0440\u0435\u043a\u0430, \u6cb3\u6d41, \u05e0\u05d4\u05e8",
    "emoji \U0001f30a and a family \U0001f468\u200d\U0001f469\u200d\U0001f467, combining e\u0301",
    "first<|endoftext|>second",
    "<|endoftext|>",
    "trailing spaces   \n   leading",
    "\u0000\u0001 control \u007f and \ufffd",
]


def write_tokenizer():
    folder = fresh("tokenizer")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=301, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_special_tokens(["<|endoftext|>"])
    tokenizer.save(str(folder / "tokenizer.json"), pretty=True)
    cases = []
    for text in CASES:
        ids = tokenizer.encode(text).ids
        cases.append({"text": text, "ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=False)})
    reference = {
        "vocabSize": tokenizer.get_vocab_size(),
        "endOfText": tokenizer.token_to_id("<|endoftext|>"),
        "cases": cases,
    }
    (folder / "reference.json").write_text(json.dumps(reference, indent=1) + "\n")
    print(f"tokenizer: {reference['vocabSize']} tokens, {len(cases)} cases")


def fresh(name):
    folder = ROOT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def write_all_else():
    for name, (config_class, values) in configs().items():
        write_model(name, config_class(**values))
        write_generation(name, config_class(**values))
    write_preference("llama")
    write_routing("qwen3-moe")
    write_sampling()
    write_v4_config("llama-mqa")
    config_class, values = configs()["llama"]
    write_sharded("llama-sharded-bf16", config_class(**values))
    write_tokenizer()


def main(only=None):
    be_repeatable()
    if only in configs():
        config_class, values = configs()[only]
        write_model(only, config_class(**values))
        write_generation(only, config_class(**values))
    elif only not in (None, "trained"):
        raise SystemExit(f"there is no {only}; use one of {', '.join([*configs(), 'trained'])}, or nothing for all")
    else:
        if only is None:
            write_all_else()
        write_trained("mixtral-trained")
    files = [path for path in ROOT.rglob("*") if path.is_file()]
    for path in files:
        path.chmod(0o644)
    size = sum(path.stat().st_size for path in files)
    print(f"{size / 1000:.0f} KB in {ROOT}")


if __name__ == "__main__":
    main(*sys.argv[1:])
