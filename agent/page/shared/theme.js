/** Light or dark: as the device is set, or as the user chose in this browser. */

const key = 'qc-theme';

/** @returns {'light' | 'dark' | ''} empty: as the device is set */
export function storedTheme() {
  try {
    const theme = localStorage.getItem(key);
    return theme === 'light' || theme === 'dark' ? theme : '';
  } catch {
    return '';
  }
}

function showTheme() {
  const theme = storedTheme();
  if (theme === '') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

/** @param {string} theme `light`, `dark`, or empty: as the device is set */
export function useTheme(theme) {
  if (theme === '') localStorage.removeItem(key);
  else localStorage.setItem(key, theme);
  showTheme();
}

showTheme();
