// Serving engines as the planner sees them: what they do with a batch, and the time that is theirs.

export const engineNames = ['trtllm', 'vllm', 'sglang'] as const;
export type EngineName = (typeof engineNames)[number];
