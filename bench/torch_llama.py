# Trains a Llama as the training benchmark does, with PyTorch on this machine's processor, and prints its speed as JSON.
# One argument, JSON: {"config": <config.json>, "seqLen", "globalBatch", "microBatch", "steps", "threads"}.
import json
import sys
import time

import torch
import transformers

job = json.loads(sys.argv[1])
torch.set_num_threads(job["threads"])
torch.manual_seed(1)

given = {key: value for key, value in job["config"].items() if key not in ("architectures", "model_type")}
config = transformers.LlamaConfig(**given, use_cache=False)
config._attn_implementation = "sdpa"
model = transformers.LlamaForCausalLM(config).to(torch.float32)
model.train()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4, betas=(0.9, 0.95), weight_decay=0.1, fused=True)

micro, length = job["microBatch"], job["seqLen"]
microbatches = job["globalBatch"] // micro
tokens = torch.randint(0, 256, (microbatches, micro, length))


def step():
    optimizer.zero_grad()
    for ids in tokens:
        loss = model(input_ids=ids, labels=ids).loss / microbatches
        loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()


step()
seconds = []
for _ in range(job["steps"]):
    start = time.perf_counter()
    step()
    seconds.append(time.perf_counter() - start)
seconds.sort()
print(
    json.dumps(
        {
            "tokensPerSecond": job["globalBatch"] * length / seconds[len(seconds) // 2],
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "python": sys.version.split()[0],
            "parameters": sum(parameter.numel() for parameter in model.parameters()),
        }
    )
)
