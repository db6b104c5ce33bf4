// Lets a rule of graphql-eslint pass at named places, where the rule itself has no such setting.

/** The place of a node in a schema, such as `Query.binary`. */
function place(node) {
  const names = [];
  for (let at = node; at; at = at.parent) {
    if (/^(Field|ObjectType|InterfaceType)(Definition|Extension)$/.test(at.kind)) {
      names.unshift(at.name.value);
    }
  }
  return names.join('.');
}

/** The plugin, with the rules of `allowed` silent at the places that it names for them. */
export function allowing(plugin, allowed) {
  const rules = { ...plugin.rules };
  for (const [name, places] of Object.entries(allowed)) {
    rules[name] = { ...plugin.rules[name], create: (context) => create(name, places, context) };
  }
  return { ...plugin, rules };

  function create(name, places, context) {
    const unused = new Set(places);
    const report = (found) => {
      const at = found.node && place(found.node);
      if (!unused.delete(at) && !places.includes(at)) context.report(found);
    };
    const visitors = plugin.rules[name].create(
      Object.create(context, { report: { value: report } }),
    );
    const exit = visitors['Document:exit'];
    return {
      ...visitors,
      'Document:exit'(node) {
        exit?.(node);
        for (const at of unused) {
          context.report({ node, message: `${name} is allowed at ${at} in vain.` });
        }
      },
    };
  }
}
