import { useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { formatCompact, formatNumber } from '../format.ts';
import type { ChartProps } from './charts.tsx';

const locale = navigator.language;
const dayText = new Intl.DateTimeFormat(locale, { day: 'numeric', month: 'short' });
const hourText = new Intl.DateTimeFormat(locale, { hour: '2-digit', minute: '2-digit' });
const momentText = new Intl.DateTimeFormat(locale, {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
});

/** A colour of the present theme, as a canvas needs it: `light-dark()` is resolved by an element that wears it. */
function colour(host: HTMLElement, name: string): string {
  const probe = document.createElement('span');
  probe.style.color = `var(${name})`;
  host.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

export default function Plot({ points, noun, kind = 'line', height = 200, unit = 'day' }: ChartProps) {
  const host = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const element = host.current;
    if (!element) return undefined;
    const xs = points.map((point) => point.at / 1000);
    const ys = points.map((point) => point.value);
    const step = (xs[1] ?? 0) - (xs[0] ?? 0);
    let plot: uPlot | undefined;
    const draw = (): void => {
      plot?.destroy();
      const accent = colour(element, '--accent');
      const axis = {
        stroke: colour(element, '--text-3'),
        grid: { stroke: colour(element, '--line'), width: 1 },
        ticks: { show: false },
        font: `11px ${getComputedStyle(element).fontFamily}`,
      };
      const tip = document.createElement('div');
      tip.className = 'plot-tip';
      tip.hidden = true;
      plot = new uPlot(
        {
          width: element.clientWidth,
          height,
          padding: [8, 10, 0, 0],
          legend: { show: false },
          cursor: { y: false, points: { size: 7, fill: accent }, drag: { x: false, y: false } },
          scales: {
            ...(kind === 'bars' && {
              x: {
                range: (_u: uPlot, low: number, high: number): [number, number] => [low - step / 2, high + step / 2],
              },
            }),
            y: {
              range: (_u, low, high) =>
                kind === 'bars'
                  ? [0, Math.max(1, high) * 1.08]
                  : low === high
                    ? [Math.max(0, low - 1), high + 1]
                    : [Math.max(0, low - (high - low) * 0.12), high + (high - low) * 0.12],
            },
          },
          series: [
            {},
            kind === 'bars'
              ? {
                  stroke: accent,
                  fill: accent,
                  width: 0,
                  paths: uPlot.paths.bars?.({ size: [0.62, 28], radius: 0.2 }),
                  points: { show: false },
                }
              : {
                  stroke: accent,
                  width: 2,
                  fill: `color-mix(in srgb, ${accent} 9%, transparent)`,
                  paths: uPlot.paths.stepped?.({ align: 1 }),
                  points: { show: false },
                },
          ].map((series) => Object.fromEntries(Object.entries(series).filter(([, value]) => value !== undefined))),
          axes: [
            {
              ...axis,
              grid: { show: false },
              space: 70,
              size: 28,
              values: (_u, ticks) =>
                ticks.map((tick) => (unit === 'hour' && tick % 86_400 !== 0 ? hourText : dayText).format(tick * 1000)),
            },
            {
              ...axis,
              size: 52,
              space: 44,
              values: (_u, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? formatCompact(tick) : '')),
            },
          ],
          hooks: {
            init: [(u) => u.over.append(tip)],
            setCursor: [
              (u) => {
                const { idx, left = 0 } = u.cursor;
                const at = idx == null ? undefined : xs[idx];
                tip.hidden = at === undefined || left < 0;
                if (idx == null || at === undefined) return;
                tip.textContent = `${formatNumber(ys[idx] ?? 0)} ${noun} · ${(unit === 'hour' ? momentText : dayText).format(at * 1000)}`;
                const x = u.valToPos(at, 'x');
                tip.style.left = `${Math.max(0, Math.min(x - tip.offsetWidth / 2, u.over.clientWidth - tip.offsetWidth))}px`;
              },
            ],
          },
        },
        [xs, ys],
        element,
      );
    };
    draw();
    const resize = new ResizeObserver(() => plot?.setSize({ width: element.clientWidth, height }));
    resize.observe(element);
    const media = matchMedia('(prefers-color-scheme: dark)');
    media.addEventListener('change', draw);
    const theme = new MutationObserver(draw);
    theme.observe(document.documentElement, { attributeFilter: ['data-theme'] });
    return () => {
      resize.disconnect();
      theme.disconnect();
      media.removeEventListener('change', draw);
      plot?.destroy();
    };
  }, [points, noun, kind, height, unit]);
  return <div ref={host} className="plot" />;
}
