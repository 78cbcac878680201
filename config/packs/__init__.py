"""City packs shipped as worked examples."""
