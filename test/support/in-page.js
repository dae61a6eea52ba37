'use strict';
/*
 * What tests of the console do inside of the browser's page. Plain JavaScript: each function is sent there as its text, so it
 * uses nothing but the page and its argument.
 */

/** Visible texts whose contrast to what lies behind them is below `least` (WCAG 2.2, 1.4.3). */
function faintTexts(least) {
  const canvas = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  // However the browser writes a colour down, it paints it as numbers.
  const read = (css) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = css;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = (top, below) => [0, 1, 2].map((index) => top[index] * top[3] + below[index] * (1 - top[3])).concat(1);
  const groundOf = (element) => {
    if (element === null) return [255, 255, 255, 1];
    const own = read(getComputedStyle(element).backgroundColor);
    return own[3] >= 1 ? own : over(own, groundOf(element.parentElement));
  };
  const part = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
  const light = ([r, g, b]) => 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  const faint = [];
  let looked = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
    const element = node.parentElement;
    const text = node.textContent.trim();
    if (text === '' || !element.checkVisibility({ visibilityProperty: true })) continue;
    const ground = groundOf(element);
    const levels = [light(over(read(getComputedStyle(element).color), ground)), light(ground)];
    const ratio = (Math.max(...levels) + 0.05) / (Math.min(...levels) + 0.05);
    looked += 1;
    if (ratio < least) faint.push({ text: text.slice(0, 60), ratio: Math.round(ratio * 100) / 100 });
  }
  return { faint, looked };
}

/** By how many CSS pixels the page is wider than its window. */
function sidewaysPx() {
  return document.documentElement.scrollWidth - document.documentElement.clientWidth;
}

/** The words on what has the focus, or of its label. */
function focusedWords() {
  const element = document.activeElement;
  const label = element?.labels?.[0]?.textContent ?? '';
  return (element?.textContent?.trim() || label).trim();
}

/** Keeps what a screen reader is told from now on. */
function keepAnnouncements() {
  const region = document.querySelector('#announced');
  window.said = [];
  new MutationObserver(() => window.said.push(region.textContent)).observe(region, { childList: true });
}

function announcements() {
  return window.said;
}

/** Pixels of a canvas that are drawn on. */
function inkOf(canvas) {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let count = 0;
  for (let index = 3; index < data.length; index += 4) if (data[index] > 0) count += 1;
  return count;
}

function widthOf(image) {
  return image.naturalWidth;
}

function heightsOf(elements) {
  return elements.map((element) => element.getBoundingClientRect().height);
}

function groundColour() {
  return getComputedStyle(document.body).backgroundColor;
}

/** Everything that outlives the tab. */
function keptTexts() {
  return JSON.stringify(localStorage);
}

module.exports = {
  ...{
    faintTexts,
    sidewaysPx,
    focusedWords,
    keepAnnouncements,
    announcements,
    inkOf,
    widthOf,
    heightsOf,
    groundColour,
  },
  keptTexts,
};
