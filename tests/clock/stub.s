# The stub of gatecrash/sandbox/vdso.py: `as stub.s`, section .text.
.intel_syntax noprefix
        .ascii "GCclock\1"
seconds: .quad 0
nanos:   .quad 0
micros:  .quad 0
clock_gettime:
        mov edx, 0x4b434c47
        mov eax, 228
        syscall
        test eax, eax
        jnz 1f
        cmp edi, 11
        ja 1f
        mov edx, 0xbf3
        bt edx, edi
        jnc 1f
        mov rdx, [rip + seconds]
        add [rsi], rdx
        mov rdx, [rip + nanos]
        add rdx, [rsi + 8]
        cmp rdx, 1000000000
        jl 2f
        sub rdx, 1000000000
        inc qword ptr [rsi]
2:      mov [rsi + 8], rdx
1:      ret
        .balign 16
gettimeofday:
        mov edx, 0x4b434c47
        mov eax, 96
        syscall
        test eax, eax
        jnz 1f
        test rdi, rdi
        jz 1f
        mov rdx, [rip + seconds]
        add [rdi], rdx
        mov rdx, [rip + micros]
        add rdx, [rdi + 8]
        cmp rdx, 1000000
        jl 2f
        sub rdx, 1000000
        inc qword ptr [rdi]
2:      mov [rdi + 8], rdx
1:      ret
        .balign 16
time:
        push rdi
        sub rsp, 16
        mov edi, 5
        mov rsi, rsp
        call clock_gettime
        mov rax, [rsp]
        add rsp, 16
        pop rdi
        test rdi, rdi
        jz 1f
        mov [rdi], rax
1:      ret
