export default {
  // Wherever a proxy puts the server, its parts are beside this page.
  base: './',
  build: {
    // Every file in here is named by its content (app/http/explorer.py).
    assetsDir: 'explorer',
    // The editor is one large part, and there is no network between it and the page to save.
    chunkSizeWarningLimit: 8000,
    rolldownOptions: {
      // React's marks of what runs in a browser mean nothing here: all of it does.
      onwarn: (warning, warn) => warning.code === 'MODULE_LEVEL_DIRECTIVE' || warn(warning),
    },
  },
  worker: { format: 'es' },
}
