"""The command line as ``python -m phys_gan``, where the program is not on the path."""

from phys_gan.cli import main

if __name__ == "__main__":
    main()
