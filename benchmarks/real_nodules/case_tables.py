def write_tables(*a):
    print(a[0])
