// Which slots an expert takes when it takes only so many of a sequence's: the first by where their tokens stand (Lepikhin et al., "GShard",
// 2020; Fedus et al., "Switch transformers", 2021).
import { expectShape, type Op, type Value } from '../program/program.ts';
import { apply } from '../program/trace.ts';
import { ndarray } from './shapes.ts';
import { inOrder } from './token-order.ts';

interface Capacity {
  readonly experts: number;
  /** Slots of a sequence that an expert takes. */
  readonly most: number;
}

/** Operands: experts [b, s, k], and of their tokens positions and documents [b, s]: of whole sequences. */
const withinCapacityOp: Op<Capacity> = {
  name: 'withinCapacity',
  shape: ([slots, ...places], { most }) => {
    const [batch, length] = slots!.shape;
    expectShape(
      slots!.shape.length === 3 &&
        [slots!, ...places].every(({ dtype }) => dtype === 'int') &&
        places.every(({ shape }) => shape.join() === `${[batch, length]}`),
      `needs experts [b, s, k], positions and documents [b, s] of type int, got [${slots!.shape}] and ${places.map(({ shape }) => `[${shape}]`).join(', ')}`,
    );
    expectShape(most >= 1, `an expert that takes ${most} slots of a sequence takes none; let it take 1 or more`);
    return [{ shape: slots!.shape, dtype: 'int' }];
  },
  typing: { dims: 'b s! k!, b s!, b s! -> b s k' },
  execution: {
    by: 'host',
    run: ([slots, positions, documents], [kept], { experts, most }, { inputs }) => {
      const [batch, length, perToken] = inputs[0]!.shape as [number, number, number];
      const taken = new Int32Array(experts);
      for (let row = 0; row < batch; row++) {
        taken.fill(0);
        for (const token of inOrder(positions!, documents!, row * length, length))
          for (let slot = token * perToken; slot < (token + 1) * perToken; slot++) {
            const expert = slots![slot]!;
            kept![slot] = expert >= 0 && taken[expert]!++ < most ? expert : -1;
          }
      }
    },
  },
  reference: ([slots, positions, documents], { most }) => {
    const [, length, perToken] = slots!.shape as [number, number, number];
    const tokenOf = (slot: number) => Math.floor(slot / perToken);
    const before = (a: number, b: number) =>
      documents!.data[a]! < documents!.data[b]! ||
      (documents!.data[a] === documents!.data[b] && positions!.data[a]! < positions!.data[b]!);
    const taken = (slot: number): number => {
      const row = Math.floor(tokenOf(slot) / length);
      return slots!.data.filter(
        (expert, other) =>
          Math.floor(tokenOf(other) / length) === row &&
          expert === slots!.data[slot] &&
          before(tokenOf(other), tokenOf(slot)),
      ).length;
    };
    return [ndarray(slots!.shape, (slot) => (taken(slot) < most ? slots!.data[slot]! : -1))];
  },
};

/**
 * Experts [b, s, k] of whole sequences whose tokens stand at positions and documents [b, s] -> the same, with -1 for the slots that are past
 * the first `most` of their expert in their sequence. Every expert is once among a token's.
 */
export const withinCapacity = (
  slots: Value,
  places: { readonly positions: Value; readonly documents: Value },
  attrs: Capacity,
): Value => apply(withinCapacityOp, [slots, places.positions, places.documents], attrs)[0]!;

export const capacityOps = { withinCapacityOp };
