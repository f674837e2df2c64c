// Names of systemd's service units.

const UNIT = /^[A-Za-z0-9_][A-Za-z0-9:_.\\-]{0,240}(@[A-Za-z0-9:_.\\-]{1,200})?$/;
const OTHER = /\.(socket|timer|path|target|mount|automount|swap|slice|scope|device)$/;

/** With its suffix: `shop` is `shop.service`. */
export const unitName = (unit: string): string => (unit.endsWith('.service') ? unit : `${unit}.service`);

/** A template (`name@.service`) is none: it takes an instance. */
export function isServiceUnit(unit: string): unit is string {
  const name = unitName(unit).slice(0, -'.service'.length);
  return UNIT.test(name) && !OTHER.test(name) && unitName(unit).length <= 255;
}
