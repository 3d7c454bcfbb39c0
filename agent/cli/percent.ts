/** A share (0 to 1) with one digit after the point. */
export const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
