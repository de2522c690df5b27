/** Bytes as they stand in files and answers: 0x and lower-case hex digits. */
import { z } from 'zod';

/** The schema of so many bytes. */
export const hex = (bytes: number) =>
  z.templateLiteral(['0x', z.string().regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`))]);
