"""The meanings of the product stated a second time, slowly, and every answer compared with them."""
