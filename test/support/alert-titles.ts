import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import ts from 'typescript';
import { repository } from './documented-commands';

const folders = ['domain', 'workflows', 'activities', 'workers'];

/**
 * The titles of all alerts that the code can make, as people see them behind the name of the service, with `…` where a value
 * stands: from the sources themselves (objects that have both `title` and `must`), so that a new one is not forgotten.
 */
export function alertTitles(): { readonly title: string; readonly file: string }[] {
  return folders
    .flatMap((folder) => sources(join(repository, folder)))
    .flatMap((file) => {
      const text = readFileSync(file, 'utf8');
      if (!text.includes('must')) return [];
      const found: { title: string; file: string }[] = [];
      const visit = (node: ts.Node): void => {
        if (ts.isObjectLiteralExpression(node)) {
          const of = (name: string): ts.Expression | undefined =>
            node.properties.find(
              (one): one is ts.PropertyAssignment => ts.isPropertyAssignment(one) && one.name.getText() === name,
            )?.initializer;
          const title = of('title');
          const has = (name: string): boolean =>
            node.properties.some((one) => one.name !== undefined && one.name.getText() === name);
          if (title && has('must'))
            for (const one of textsOf(title))
              found.push({ title: withoutService(one), file: relative(repository, file) });
        }
        ts.forEachChild(node, visit);
      };
      visit(ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true));
      return found;
    });
}

/** Every text that the expression may become. */
function textsOf(node: ts.Expression): string[] {
  if (ts.isStringLiteral(node) || ts.isNoSubstitutionTemplateLiteral(node)) return [node.text];
  if (ts.isConditionalExpression(node)) return [...textsOf(node.whenTrue), ...textsOf(node.whenFalse)];
  if (ts.isParenthesizedExpression(node)) return textsOf(node.expression);
  if (!ts.isTemplateExpression(node)) return ['…'];
  return node.templateSpans.reduce<string[]>(
    (heads, span) =>
      heads.flatMap((head) => textsOf(span.expression).map((one) => `${head}${one}${span.literal.text}`)),
    [node.head.text],
  );
}

/** Every title begins with the name of the service. */
function withoutService(title: string): string {
  return title.replace(/^…: /, '').replace(/…(?:[ ,]…)*…/g, '…');
}

function sources(path: string): string[] {
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
    const full = join(path, entry.name);
    if (entry.isDirectory()) return sources(full);
    return full.endsWith('.ts') ? [full] : [];
  });
}
