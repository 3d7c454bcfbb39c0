/** Formats a share: `0.975` → `97.5 %`. */
export const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
