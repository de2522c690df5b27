/** What tests take from the page's wallet: it runs in browsers, as JavaScript. */
export declare const SELECTORS: Readonly<Record<string, string>>;
export declare const TOPICS: Readonly<Record<string, string>>;
export declare function deviceIn(text: string): string | undefined;
export declare function receiptIn(
  text: string,
  place: { readonly chainId: number; readonly vault: string },
): { readonly channel: number; readonly seq: number } | undefined;
