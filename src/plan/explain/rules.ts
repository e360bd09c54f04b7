// Rules of thumb: where one applies, whether a layout follows it, and why, in figures.

export interface Rule<Case> {
  readonly name: string;
  readonly applies: (given: Case) => boolean;
  readonly holds: (given: Case) => boolean;
  /** Of a layout that follows it: why that is right. */
  readonly because: (given: Case) => string;
  /** Of one that does not: why that is right all the same, or what it costs. */
  readonly though: (given: Case) => string;
}

export interface RuleVerdict {
  readonly rule: string;
  readonly follows: boolean;
  readonly because: string;
}

/** Of the rules that apply, in the order of the table. */
export const judgeRules = <Case>(rules: readonly Rule<Case>[], given: Case): RuleVerdict[] =>
  rules
    .filter(({ applies }) => applies(given))
    .map((rule) => {
      const follows = rule.holds(given);
      return { rule: rule.name, follows, because: follows ? rule.because(given) : rule.though(given) };
    });
