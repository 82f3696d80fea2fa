export const explainMember = async (..._a: unknown[]): Promise<Record<string, unknown> | undefined> => undefined;
