"""`python -m traindoctor` is the `traindoctor` command."""

from .cli import main

if __name__ == "__main__":
    main()
