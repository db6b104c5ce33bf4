export default { base: './', build: { assetsDir: 'explorer', chunkSizeWarningLimit: 20000 }, worker: { format: 'es' } }
